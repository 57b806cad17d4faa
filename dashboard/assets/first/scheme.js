// Before anything is drawn: take the reader's light or dark, so that nothing flashes.
(function () {
  var told = null;
  try { told = localStorage.getItem('mantine-color-scheme-value'); } catch (e) { /* no storage */ }
  var dark = told === 'dark' || (told !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
