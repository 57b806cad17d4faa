// What the browser does alone: colours, the address bar, keys, links inside charts and grids.
(function () {
  'use strict';
  var root = document.documentElement;
  var none = function () { return window.dash_clientside.no_update; };
  var scheme = function () { return root.getAttribute('data-mantine-color-scheme') === 'dark' ? 'dark' : 'light'; };

  function go(href) {
    history.pushState({}, '', href);
    window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
    window.scrollTo(0, 0);
  }
  function address(changes) {
    var query = new URLSearchParams(location.search);
    Object.keys(changes).forEach(function (key) {
      if (changes[key]) query.set(key, changes[key]); else query.delete(key);
    });
    var text = query.toString();
    return location.pathname + (text ? '?' + text : '');
  }

  window.pw = Object.assign(window.pw || {}, { go: go, address: address });
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.pw = {
    scheme: function () { return scheme(); },
    nav: function (path) {
      var first = '/' + (path || '/').split('/')[1];
      return Array.prototype.map.call(document.querySelectorAll('.pw-nav-link'), function (link) {
        var here = link.getAttribute('href') === first;
        if (here) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
        return 'pw-nav-link' + (here ? ' is-here' : '');
      });
    },
    range: function (value, search) {
      var told = new URLSearchParams(search || '').get('from') || 'now-6h';
      var by = (window.dash_clientside.callback_context.triggered[0] || {}).prop_id;
      if (by === 'range.value' && value && value !== told) {
        go(address({ from: value === 'now-6h' ? '' : value, to: '' }));
        return [none(), none()];
      }
      return [told === value ? none() : told, none()];
    },
    find: function (submits, value) {
      if (!submits) return none();
      // Enter may overtake the last letters on their way to `value`; the field itself has them.
      var field = document.querySelector('.pw-find input');
      go('/tenants?search=' + encodeURIComponent((field ? field.value : value) || ''));
      return none();
    },
    ask: function () {
      var by = window.dash_clientside.callback_context.triggered_id;
      var clicks = (window.dash_clientside.callback_context.triggered[0] || {}).value;
      if (!clicks) return [none(), none(), none()];
      if (by && by.path) return [true, by.plan, by.path];
      return [false, none(), none()];
    },
    openCell: function (click) {
      var point = click && click.points && click.points[0];
      if (point && point.y) go('/tenants/' + encodeURIComponent(point.y));
      return none();
    },
    openResource: function (click) {
      var point = click && click.points && click.points[0];
      if (point && point.y) go('/shards?var-resource=' + encodeURIComponent(point.y));
      return none();
    },
    refreshRows: function () {
      var grid = document.getElementById('tenants-grid');
      if (grid && window.dash_ag_grid) {
        window.dash_ag_grid.getApiAsync('tenants-grid').then(function (api) {
          if (!api.isDestroyed()) api.refreshInfiniteCache();
        }).catch(function () { /* the grid left the page */ });
      }
      return none();
    },
    choose: function (value, key) {
      go(address((function () { var one = {}; one[key] = value === 'all' ? '' : value; return one; })()));
      return none();
    }
  };

  new MutationObserver(function () {
    if (window.dash_clientside.set_props) window.dash_clientside.set_props('scheme', { data: scheme() });
  }).observe(root, { attributes: true, attributeFilter: ['data-mantine-color-scheme'] });

  document.addEventListener('visibilitychange', function () {
    if (window.dash_clientside.set_props) window.dash_clientside.set_props('tick', { disabled: document.hidden });
  });

  document.addEventListener('click', function (event) {
    if (event.target.classList && event.target.classList.contains('pw-retry')) {
      var refresh = document.getElementById('refresh');
      if (refresh) refresh.click();
    }
  });

  var pages = { o: '/', i: '/incidents', t: '/tenants', s: '/shards', c: '/cost', r: '/reports', a: '/alerts', h: '/health' };
  var going = false;
  document.addEventListener('keydown', function (event) {
    if (/INPUT|TEXTAREA|SELECT/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/') {
      event.preventDefault();
      var find = document.querySelector('.pw-find input');
      if (find) find.focus();
    } else if (going && pages[event.key]) {
      go(pages[event.key]);
    }
    going = event.key === 'g';
  });
})();
