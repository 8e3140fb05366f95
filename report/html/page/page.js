// The table of all rows, and what puts the page together.
function drawTable(section, rows) {
  const COLUMNS = [['p', 'where'], ['w', 'state'], ['r', 'reason'], ['t', 'RTT'], ['s', 'what is there']].filter(([k]) => k === 'p' || k === 'w' || rows.some(r => r[k]));
  const words = [...new Set(rows.map(r => r.w))], PAGE = 200;
  let key = '', down = false, from = 0, kept = rows;

  const search = make('input', { type: 'search', id: 'search', autocomplete: 'off', on: { input: () => filter() } });
  const word = make('select', { id: 'word', on: { change: () => filter() } }, make('option', { value: '' }, 'any'), ...words.map(w => make('option', { value: w }, w)));
  const shown = make('output', { 'aria-live': 'polite', id: 'shown' });
  const back = make('button', { type: 'button', id: 'back', on: { click: () => turn(-1) } }, 'previous');
  const next = make('button', { type: 'button', id: 'next', on: { click: () => turn(1) } }, 'next');
  const heads = COLUMNS.map(([k, name]) => make('th', { scope: 'col', ...(k === 't' ? { class: 'number' } : {}) }, make('button', { type: 'button', 'data-key': k, on: { click: () => sort(k) } }, name)));
  const body = make('tbody');

  // Places sort by address and port where they have them, states by their strength.
  const rank = w => { const i = STATES.indexOf(w); return i < 0 ? STATES.length : i; };
  const ports = r => parseInt(r.o || r.p, 10) || 0;
  const compare = {
    p: (a, b) => (a.a || '').length - (b.a || '').length || ((a.a || '') < (b.a || '') ? -1 : (a.a || '') > (b.a || '') ? 1 : 0) || ports(a) - ports(b) || (a.p < b.p ? -1 : a.p > b.p ? 1 : 0),
    w: (a, b) => rank(a.w) - rank(b.w) || (a.w < b.w ? -1 : a.w > b.w ? 1 : 0),
    t: (a, b) => (a.t || Infinity) - (b.t || Infinity) || 0,
  };
  const text = k => (a, b) => (a[k] || '\uffff') < (b[k] || '\uffff') ? -1 : (a[k] || '\uffff') > (b[k] || '\uffff') ? 1 : 0;

  function sort(k) {
    down = key === k && !down;
    key = k;
    const by = compare[k] || text(k);
    // What has no value comes last, whichever way.
    const none = r => k !== 'p' && k !== 'w' && !r[k];
    rows.sort((a, b) => none(a) - none(b) || (down ? by(b, a) : by(a, b)));
    heads.forEach((h, i) => COLUMNS[i][0] === k ? h.setAttribute('aria-sort', down ? 'descending' : 'ascending') : h.removeAttribute('aria-sort'));
    filter();
  }
  function filter() {
    const wanted = search.value.trim().toLowerCase();
    kept = rows.filter(r => (!word.value || r.w === word.value) && (!wanted || (r.text ??= [r.p, r.w, r.r, r.s, ...(r.d || [])].join('\n').toLowerCase()).includes(wanted)));
    from = 0;
    show();
  }
  function turn(by) {
    from = Math.max(0, from + by * PAGE);
    show();
  }
  function line(r) {
    const cells = COLUMNS.slice(1).map(([k]) => {
      if (k === 'w') return make('td', { class: 'word' }, ...(STATES.includes(r.w) ? [swatch(r.w)] : []), r.w);
      if (k === 't') return make('td', { class: 'number' }, r.t ? duration(r.t, t => t.toFixed(t < 10 ? 2 : 1)) : '');
      return make('td', {}, r[k] || '');
    });
    if (r.d && r.d.length) cells[cells.length - 1].append(make('details', {}, make('summary', {}, 'evidence'), make('ul', {}, ...r.d.map(d => make('li', {}, d)))));
    return make('tr', {}, make('th', { scope: 'row' }, r.p), ...cells);
  }
  function show() {
    body.replaceChildren(...kept.slice(from, from + PAGE).map(line));
    const end = Math.min(from + PAGE, kept.length);
    shown.textContent = kept.length ? `${many(from + 1)} to ${many(end)} of ${many(kept.length)}` + (kept.length < rows.length ? `, from ${many(rows.length)}` : '') : `none of ${many(rows.length)}`;
    back.disabled = from === 0;
    next.disabled = end >= kept.length;
  }
  section.append(
    make('div', { class: 'tools', role: 'search' }, make('label', { for: 'search' }, 'filter'), search, ...(words.length > 1 ? [make('label', { for: 'word' }, 'state'), word] : []), shown, back, next),
    make('div', { class: 'wide' }, make('table', {}, make('thead', {}, make('tr', {}, ...heads)), body)));
  show();
  return address => { search.value = address; filter(); search.focus(); };
}

{
  const rows = JSON.parse(document.getElementById('rows').textContent), part = id => document.getElementById(id);
  for (const li of document.querySelectorAll('.counts li')) if (STATES.includes(li.dataset.word)) li.prepend(swatch(li.dataset.word));
  const choose = rows.length ? drawTable(part('all'), rows) : () => {};
  if (!rows.length) part('all').hidden = true;
  drawMap(part('map'), rows, choose);
  drawTimes(part('rtt'), rows);
  document.title += ': ' + document.querySelector('h1').textContent.replace(/^onmux \w+: /, '');
}
