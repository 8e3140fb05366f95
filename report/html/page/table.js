// The table of all rows, the services, and changes.
const LAYOUTS = {
  check: [['p', 'port'], ['w', 'verdict'], ['k', 'address'], ['r', 'reach'], ['s', 'held by']],
  diff: [['p', 'where'], ['w', 'change'], ['r', 'was'], ['s', 'is']],
  verify: [['p', 'rule'], ['w', 'outcome'], ['r', 'found']],
};
const columnsOf = (command, rows) => (LAYOUTS[command] || [['p', 'where'], ['z', 'zone'], ['w', 'state'], ['t', 'RTT'], ['k', 'service'], ['r', 'reason'], ['s', 'what is there']])
  .filter(([k]) => k === 'p' || k === 'w' || rows.some(r => r[k]));

// line is a row of a table, on narrow screens a card.
function line(columns, r) {
  const cells = columns.slice(1).map(([k, name]) => {
    if (k === 'w') return make('td', { class: 'word', 'data-name': name }, ...(STATES.includes(r.w) ? [swatch(r.w)] : []), r.w);
    if (k === 't') return make('td', { class: r.t ? 'number' : 'number none', 'data-name': name }, r.t ? duration(r.t, t => t.toFixed(t < 10 ? 2 : 1)) : '');
    return make('td', { 'data-name': name, ...(!r[k] ? { class: 'none' } : r[k].length < 18 ? { class: 'short' } : {}) }, r[k] || '');
  });
  const last = cells[cells.length - 1];
  if (r.d && r.d.length === 1 && r.d[0].length < 60) last.append(make('span', { class: 'one' }, r.d[0]));
  else if (r.d && r.d.length) last.append(make('details', {}, make('summary', {}, 'evidence'), make('ul', {}, ...r.d.map(d => make('li', {}, d)))));
  if (r.d && r.d.length) last.classList.remove('none');
  return make('tr', {}, make('th', { scope: 'row' }, r.p), ...cells);
}

function drawTable(section, rows, command) {
  const COLUMNS = columnsOf(command, rows), words = [...new Set(rows.map(r => r.w))], PAGE = 50;
  const ranges = rows.filter(r => r.range).length, folds = ranges > 0 && ranges < rows.length;
  let key = '', down = false, from = 0, kept = rows;

  const search = make('input', { type: 'search', id: 'search', autocomplete: 'off', on: { input: () => filter() } });
  const word = make('select', { id: 'word', on: { change: () => filter() } }, make('option', { value: '' }, 'any'), ...words.map(w => make('option', { value: w }, w)));
  const unfold = make('input', { type: 'checkbox', id: 'ranges', on: { change: () => filter() } });
  const shown = make('output', { 'aria-live': 'polite', id: 'shown' });
  const back = make('button', { type: 'button', id: 'back', on: { click: () => turn(-1) } }, 'previous');
  const next = make('button', { type: 'button', id: 'next', on: { click: () => turn(1) } }, 'next');
  const heads = COLUMNS.map(([k, name]) => make('th', { scope: 'col', ...(k === 't' ? { class: 'number' } : {}) }, make('button', { type: 'button', 'data-key': k, on: { click: () => sort(k) } }, name)));
  const body = make('tbody');

  // Places sort by address and port where they have them, states by their strength.
  const rank = w => { const i = STATES.indexOf(w); return i < 0 ? STATES.length : i; };
  const ports = r => parseInt(r.o || r.p, 10) || 0;
  const compare = {
    p: (a, b) => (a.first === undefined) - (b.first === undefined) || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0) || ports(a) - ports(b) || (a.p < b.p ? -1 : a.p > b.p ? 1 : 0),
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
    const all = unfold.checked || word.value || wanted;
    kept = rows.filter(r => (all || !folds || !r.range) && (!word.value || r.w === word.value) && (!wanted || (r.text ??= [r.p, r.w, r.z, r.r, r.k, r.s, ...(r.d || [])].join('\n').toLowerCase()).includes(wanted)));
    from = 0;
    show();
  }
  function turn(by) {
    from = Math.max(0, from + by * PAGE);
    show();
  }
  function show() {
    body.replaceChildren(...kept.slice(from, from + PAGE).map(r => line(COLUMNS, r)));
    const end = Math.min(from + PAGE, kept.length);
    shown.textContent = kept.length ? `${many(from + 1)} to ${many(end)} of ${many(kept.length)}` + (kept.length < rows.length ? `, from ${many(rows.length)}` : '') : `none of ${many(rows.length)}`;
    back.disabled = from === 0;
    next.disabled = end >= kept.length;
  }
  section.append(
    make('div', { class: 'tools', role: 'search' }, make('label', { for: 'search' }, 'filter'), search, ...(words.length > 1 ? [make('label', { for: 'word' }, 'state'), word] : []), ...(folds ? [make('span', {}, unfold, ' ', make('label', { for: 'ranges' }, `${many(ranges)} ranges`))] : []), shown, back, next),
    make('div', { class: 'wide' }, make('table', { class: 'cards' }, make('thead', {}, make('tr', {}, ...heads)), body)));
  // What is open comes first, each state in the order of addresses.
  if (!command || !LAYOUTS[command]) rows.sort((a, b) => rank(a.w) - rank(b.w) || compare.p(a, b));
  filter();
  return address => { search.value = address; filter(); search.focus(); };
}


// drawServices counts the services, the most frequent first; a click shows where they are.
function drawServices(section, rows, choose) {
  if (rows.some(r => r.z)) return; // a table has them for each zone
  const groups = new Map();
  for (const r of rows) if (r.k && r.w === 'open') groups.set(r.k, (groups.get(r.k) || 0) + 1);
  if (groups.size < 1) return;
  const all = [...groups].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  section.append(make('h2', {}, 'Services'), make('ul', { class: 'services' }, ...all.slice(0, 60).map(([name, n]) =>
    make('li', {}, make('button', { type: 'button', on: { click: () => choose(name) } }, make('b', {}, many(n)), ' ' + name)))));
  if (all.length > 60) section.append(make('p', { class: 'meta' }, `and ${many(all.length - 60)} more`));
  section.hidden = false;
}

// drawChanges lists changes by kind; what may be no change is folded.
function drawChanges(section, rows) {
  const KINDS = [['appeared', 'Appeared'], ['vanished', 'Vanished'], ['service', 'Other service'], ['owner', 'Other owner'], ['changed', 'Other state'], ['not certain', 'Not certain']];
  const COLUMNS = columnsOf('diff', rows).filter(([k]) => k !== 'w'), MOST = 1000;
  for (const [word, title] of KINDS) {
    const all = rows.filter(r => r.w.split(':')[0] === word);
    if (!all.length) continue;
    const table = make('div', { class: 'wide' }, make('table', { class: 'cards' }, make('thead', {}, make('tr', {}, ...COLUMNS.map(([, name]) => make('th', { scope: 'col' }, name)))),
      make('tbody', {}, ...all.slice(0, MOST).map(r => line(COLUMNS, r)))));
    const more = all.length > MOST ? [make('p', { class: 'gap' }, `and ${many(all.length - MOST)} more`)] : [];
    const n = all.reduce((n, r) => n + (r.c || 1), 0), heading = `${title} (${many(n)})`;
    section.append(make('details', { class: 'kind ' + word.replace(' ', '-'), open: word !== 'not certain' }, make('summary', {}, heading), table, ...more));
  }
}
