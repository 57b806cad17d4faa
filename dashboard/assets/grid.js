// Formatters and cell renderers of the grids. Values stay numbers so that they sort as numbers.
(function () {
  'use strict';
  var dash = '–';
  var f = window.dashAgGridFunctions = window.dashAgGridFunctions || {};
  var c = window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {};
  var missing = function (v) { return v === null || v === undefined || v === ''; };
  f.pwSeconds = function (v) {
    if (missing(v)) return dash;
    if (v < 2) return (v * 1000 < 99.5 ? Number((v * 1000).toPrecision(3)) : Math.round(v * 1000)) + ' ms';
    return Number(v.toPrecision(3)) + ' s';
  };
  f.pwPercent = function (v) { return missing(v) ? dash : (v * 100).toFixed(v < 0.1 ? 1 : 0) + ' %'; };
  f.pwTimes = function (v) { return missing(v) ? dash : v.toFixed(v < 100 ? 1 : 0) + '×'; };
  f.pwNumber = function (v) {
    if (missing(v)) return dash;
    return Math.abs(v) >= 100 ? Math.round(v).toLocaleString('en') : String(Number(v.toPrecision(3)));
  };
  f.pwChange = function (v) { return missing(v) ? dash : (v < 0 ? '−' : '+') + Math.abs(v * 100).toFixed(0) + ' %'; };
  f.pwMoney = function (v) {
    if (missing(v)) return dash;
    var parts = String(v).split('.');
    return parts[0].replace(/\B(?=(\d{3})+$)/g, ',').replace('-', '−') + (parts[1] ? '.' + parts[1] : '');
  };
  var months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  f.pwTime = function (v) {
    if (missing(v)) return dash;
    var text = String(v);
    return text.slice(8, 10) + ' ' + months[Number(text.slice(5, 7)) - 1] + ' ' + text.slice(11, 16);
  };
  f.pwByNumber = function (a, b) { return (missing(a) ? -Infinity : Number(a)) - (missing(b) ? -Infinity : Number(b)); };

  function link(href, text, className) {
    return React.createElement('a', {
      href: href,
      className: 'pw-link ' + (className || ''),
      onClick: function (event) {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        window.pw.go(href);
      }
    }, text);
  }
  var roles = { loud: 'pw-role-aggressor', hurt: 'pw-role-victim' };
  var tones = {
    firing: 'bad', flapping: 'bad', loud: 'bad', failing: 'bad', dead: 'bad', failed: 'bad', broken: 'bad',
    pending: 'warn', quarantined: 'warn', retrying: 'warn', hurt: 'victim', proposed: 'warn'
  };
  c.PwTenant = function (p) {
    if (missing(p.value)) return null;
    return link('/tenants/' + encodeURIComponent(p.value), p.value, p.data ? roles[p.data.state] : '');
  };
  c.PwTenants = function (p) {
    if (!p.value || !p.value.length) return React.createElement('span', { className: 'pw-dim' }, 'nobody');
    var found = [];
    p.value.slice(0, 3).forEach(function (name, k) {
      if (k) found.push(', ');
      found.push(React.createElement('span', { key: name }, link('/tenants/' + encodeURIComponent(name), name, 'pw-role-aggressor')));
    });
    if (p.value.length > 3) found.push(' +' + (p.value.length - 3));
    return React.createElement('span', null, found);
  };
  c.PwIncident = function (p) { return missing(p.value) ? dash : link('/incidents/' + encodeURIComponent(p.value), p.value); };
  c.PwDelivery = function (p) { return p.data ? link('/alerts?search=' + encodeURIComponent(p.data.id), p.value) : null; };
  c.PwSentence = function (p) {
    return p.data ? link('/incidents/' + encodeURIComponent(p.data.id), p.value, 'pw-strong') : null;
  };
  c.PwShown = function (p) { return p.data ? p.data[p.colDef.field + '_words'] : null; };
  c.PwState = function (p) {
    if (missing(p.value)) return null;
    var word = p.value === 'firing' ? 'open' : String(p.value).replace(/_/g, ' ');
    return React.createElement('span', { className: 'pw-badge is-' + (tones[p.value] || 'calm') }, word);
  };
  c.PwBar = function (p) {
    if (missing(p.value)) return dash;
    var loud = p.data && p.data.state === 'loud';
    return React.createElement('span', { className: 'pw-bar-cell' },
      React.createElement('span', { className: 'pw-bar' },
        React.createElement('span', {
          className: 'pw-bar-fill is-' + (loud ? 'aggressor' : 'others'),
          style: { width: Math.max(0, Math.min(1, p.value)) * 100 + '%' }
        })),
      React.createElement('span', { className: 'pw-num' }, f.pwPercent(p.value)));
  };

  // Columns fill the panel, and on a phone those that matter less are left out. The grid's own
  // flex columns stay invisible when it is born in a panel that is still loading.
  var seen = {};
  function fit(api) {
    if (api.isDestroyed()) return;
    var extra = (api.getColumns() || []).filter(function (one) {
      var told = one.getColDef().context;
      return told && told.wideOnly;
    });
    api.setColumnsVisible(extra, window.innerWidth >= 640);
    api.sizeColumnsToFit();
  }
  function settle(node) {
    window.dash_ag_grid.getApiAsync(node.id).then(function (api) {
      new ResizeObserver(function () { fit(api); }).observe(node);
    }).catch(function () { /* the grid left the page */ });
  }
  new MutationObserver(function () {
    if (!window.dash_ag_grid) return;
    document.querySelectorAll('.pw-grid[id]').forEach(function (node) {
      if (seen[node.id] === node) return;
      seen[node.id] = node;
      settle(node);
    });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
