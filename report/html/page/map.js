'use strict';
// What is shared by map, histogram and table; then the map and the histogram.
const make = (tag, about, ...inside) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(about || {})) {
    if (k === 'on') for (const [event, f] of Object.entries(v)) e.addEventListener(event, f);
    else if (k in e && typeof v !== 'string') e[k] = v;
    else e.setAttribute(k, v);
  }
  e.append(...inside);
  return e;
};
const many = n => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
// duration is milliseconds with their unit; under 0.1 ms, whole microseconds.
const duration = (ms, digits) => ms < .1 ? Math.round(ms * 1000) + ' µs' : digits(ms) + ' ms';

// States of an endpoint, the strongest first: a cell of the map shows the strongest.
const STATES = ['open', 'closed', 'open|filtered', 'filtered', 'unreachable', 'unknown'];
const COLORS = { 'open': '--open', 'closed': '--closed', 'open|filtered': '--filtered', 'filtered': '--filtered', 'unreachable': '--unreachable', 'unknown': '--unsure' };
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// glyph draws a state so that it is recognized without its colour: open is full,
// closed a small square, filtered a frame, open|filtered a frame with a point,
// unreachable a cross, unknown a ring.
function glyph(c, state, x, y, s, paint) {
  c.fillStyle = c.strokeStyle = paint;
  if (s < 7) { c.fillRect(x, y, s, s); return; }
  const g = Math.max(1, Math.round(s / 12)), a = s - 2 * g;
  c.lineWidth = Math.max(1, s / 9);
  const h = c.lineWidth / 2;
  switch (state) {
    case 'open': c.fillRect(x + g, y + g, a, a); break;
    case 'closed': c.fillRect(x + s * .36, y + s * .36, s * .28, s * .28); break;
    case 'open|filtered': c.fillRect(x + s * .4, y + s * .4, s * .2, s * .2); // falls through
    case 'filtered': c.strokeRect(x + g + h, y + g + h, a - 2 * h, a - 2 * h); break;
    case 'unreachable':
      c.beginPath(); c.moveTo(x + s * .25, y + s * .25); c.lineTo(x + s * .75, y + s * .75);
      c.moveTo(x + s * .75, y + s * .25); c.lineTo(x + s * .25, y + s * .75); c.stroke(); break;
    default: c.beginPath(); c.arc(x + s / 2, y + s / 2, s * .3, 0, 7); c.stroke();
  }
}
function swatch(state) {
  const e = make('canvas', { class: 'swatch', width: 26, height: 26, 'data-state': state, 'aria-hidden': 'true' });
  e.style.width = e.style.height = '13px';
  paintSwatch(e);
  return e;
}
function paintSwatch(e) {
  const c = e.getContext('2d');
  c.clearRect(0, 0, 26, 26);
  glyph(c, e.dataset.state, 0, 0, 26, color(COLORS[e.dataset.state]));
}

// Addresses are numbers; those of IPv6 lie behind all of IPv4.
const numberOf = hex => BigInt('0x' + (hex.length > 8 ? '1' : '') + hex);
function addressOf(n) {
  if (n < 1n << 32n) return [24n, 16n, 8n, 0n].map(s => n >> s & 255n).join('.');
  const groups = (n & (1n << 128n) - 1n).toString(16).padStart(32, '0').match(/.{4}/g).map(g => g.replace(/^0{1,3}/, ''));
  let from = 0, most = 1; // the longest run of zeros is left out (RFC 5952, section 4.2)
  for (let i = 0, run = 0; i < 8; i++) {
    run = groups[i] === '0' ? run + 1 : 0;
    if (run > most) { most = run; from = i - run + 1; }
  }
  return most < 2 ? groups.join(':') : groups.slice(0, from).join(':') + '::' + groups.slice(from + most).join(':');
}

// How many addresses have rows of a grid, and how long those rows are.
const GRID = 4096, across = size => size <= 64 ? 16 : size <= 1024 ? 32 : 64;

// space lays the addresses of rows out: each row that has an address learns its place,
// from and to. In a grid, lines begin at a multiple of their length, with gaps for what
// was not asked; where that would be mostly gaps, and along a curve, they lie end to end.
function space(rows) {
  const known = rows.filter(r => r.a && STATES.includes(r.w));
  for (const r of known) { r.first = numberOf(r.a); r.last = r.b ? numberOf(r.b) : r.first; }
  const order = known.slice().sort((a, b) => a.first < b.first ? -1 : a.first > b.first ? 1 : 0);
  const spans = [];
  for (const r of order) {
    const top = spans[spans.length - 1];
    if (top && r.first <= top.last + 1n) { if (r.last > top.last) top.last = r.last; } else spans.push({ first: r.first, last: r.last });
  }
  const count = spans.reduce((n, s) => n + Number(s.last - s.first) + 1, 0), columns = across(count);
  const lay = aligned => {
    let size = 0, before;
    for (const s of spans) {
      const inLine = aligned ? Number(s.first % BigInt(columns)) : 0;
      if (aligned && before && before.last / BigInt(columns) === s.first / BigInt(columns)) s.at = s.line = before.at + Number(s.first - before.first);
      else { s.line = aligned ? Math.ceil(size / columns) * columns : size; s.at = s.line + inLine; }
      size = s.at + Number(s.last - s.first) + 1;
      before = s;
    }
    return size;
  };
  let size = count > GRID ? lay(false) : lay(true);
  if (count <= GRID && size > 4 * count + 4 * columns) size = lay(false);
  let i = 0;
  for (const r of order) {
    while (r.first > spans[i].last) i++;
    r.from = spans[i].at + Number(r.first - spans[i].first);
    r.to = r.from + Number(r.last - r.first);
  }
  const at = n => { const s = spans.findLast(s => s.line <= n); return addressOf(s.first + BigInt(n - s.at)); };
  return { rows: order, size, count, at, first: spans.length && addressOf(spans[0].first), last: spans.length && addressOf(spans[spans.length - 1].last) };
}

// hilbert is where the n-th cell of the curve of 4^k cells lies (Skilling, "Programming
// the Hilbert curve", 2004), so that neighbors in the network are neighbors here.
function hilbert(k, n) {
  let x = 0, y = 0;
  for (let s = 1; s < 1 << k; s *= 2) {
    const rx = 1 & Math.floor(n / 2), ry = 1 & (n ^ rx);
    if (!ry) { if (rx) { x = s - 1 - x; y = s - 1 - y; } [x, y] = [y, x]; }
    x += s * rx; y += s * ry;
    n = Math.floor(n / 4);
  }
  return [x, y];
}

// plan decides where the cells lie: rows of a grid, or along a Hilbert curve.
function layout(size, count) {
  if (count <= GRID) {
    const columns = across(count);
    return { per: 1, cells: size, columns, lines: Math.ceil(size / columns), curve: false, spot: n => [n % columns, Math.floor(n / columns)] };
  }
  const k = Math.min(9, Math.ceil(Math.log2(size) / 2)), per = Math.ceil(size / 4 ** k), cells = Math.ceil(size / per);
  const spots = new Uint16Array(2 * cells);
  for (let n = 0; n < cells; n++) spots.set(hilbert(k, n), 2 * n);
  return { per, cells, columns: 1 << k, lines: 1 << k, curve: true, spot: n => [spots[2 * n], spots[2 * n + 1]] };
}

function drawMap(section, rows, choose) {
  const addresses = space(rows);
  if (addresses.count < 2) return;
  const plan = layout(addresses.size, addresses.count), ports = [...new Set(addresses.rows.map(r => r.o))].sort((a, b) => parseInt(a) - parseInt(b));
  const margin = plan.curve ? 0 : 120, side = Math.max(1, Math.min(22, Math.floor((plan.curve ? 768 : 900) / plan.columns)));
  const canvas = make('canvas', { class: 'addresses', tabindex: '0', role: 'application', 'aria-roledescription': 'map of addresses',
    'aria-label': `Map of ${many(addresses.count)} addresses. Arrow keys move, Home and End jump, Enter shows the address in the table.`, 'aria-describedby': 'here' });
  const here = make('output', { class: 'here', id: 'here', 'aria-live': 'polite' });
  const pick = make('select', { id: 'port', on: { change: () => paint() } }, make('option', { value: '' }, 'any (the strongest shows)'), ...ports.map(p => make('option', { value: p }, p)));
  const index = new Map();
  for (let n = 0; n < plan.cells; n++) { const [x, y] = plan.spot(n); index.set(y * plan.columns + x, n); }
  let shown = new Uint8Array(plan.cells), cursor = -1;

  function paint() {
    shown = new Uint8Array(plan.cells);
    for (const r of addresses.rows) {
      if (pick.value && r.o !== pick.value) continue;
      const rank = STATES.length - STATES.indexOf(r.w);
      for (let n = Math.floor(r.from / plan.per), end = Math.floor(r.to / plan.per); n <= end; n++) if (shown[n] < rank) shown[n] = rank;
    }
    const zoom = Math.min(2, window.devicePixelRatio || 1), w = margin + plan.columns * side, h = plan.lines * side;
    canvas.width = w * zoom; canvas.height = h * zoom;
    canvas.style.width = w + 'px';
    const c = canvas.getContext('2d'), paints = STATES.map(s => color(COLORS[s]));
    c.scale(zoom, zoom);
    c.font = '12px system-ui, sans-serif'; c.textBaseline = 'middle';
    for (let n = 0; n < plan.cells; n++) {
      const [x, y] = plan.spot(n), rank = shown[n];
      if (!plan.curve && x === 0) { c.fillStyle = color('--soft'); c.fillText(addresses.at(n), 0, y * side + side / 2, margin - 8); }
      if (rank) glyph(c, STATES[STATES.length - rank], margin + x * side, y * side, side, paints[STATES.length - rank]);
    }
    // Where cells are too small to be seen alone, what is open stands out.
    if (side < 6) for (let n = 0; n < plan.cells; n++) if (shown[n] === STATES.length) {
      const [x, y] = plan.spot(n);
      c.fillStyle = color('--paper'); c.fillRect(margin + x * side + side / 2 - 4, y * side + side / 2 - 4, 8, 8);
      c.fillStyle = paints[0]; c.fillRect(margin + x * side + side / 2 - 3, y * side + side / 2 - 3, 6, 6);
    }
    if (cursor >= 0) {
      const [x, y] = plan.spot(cursor), s = Math.max(side, 6);
      c.strokeStyle = color('--ink'); c.lineWidth = 2;
      c.strokeRect(margin + x * side + (side - s) / 2, y * side + (side - s) / 2, s, s);
    }
  }
  function at(n) {
    const low = n * plan.per, high = low + plan.per - 1;
    return addresses.rows.filter(r => r.from <= high && r.to >= low && (!pick.value || r.o === pick.value));
  }
  function describe(n) {
    const low = n * plan.per, high = Math.min(low + plan.per, addresses.size) - 1, found = at(n);
    const lines = found.slice(0, 8).map(r => [(r.from === r.to && r.from === low && low === high) ? r.o : r.p, r.w, r.r, r.t ? duration(r.t, t => t.toPrecision(3)) : '', r.s].filter(Boolean).join('  '));
    if (found.length > 8) lines.push(`and ${many(found.length - 8)} more`);
    here.textContent = addresses.at(low) + (high > low ? ' to ' + addresses.at(high) : '') + '\n' + (lines.join('\n') || 'was not reported');
  }
  function move(n) {
    if (n < 0 || n >= plan.cells) return;
    cursor = n; paint(); describe(n);
  }
  function under(e) {
    const box = canvas.getBoundingClientRect(), scale = (margin + plan.columns * side) / box.width;
    const x = Math.floor(((e.clientX - box.left) * scale - margin) / side), y = Math.floor((e.clientY - box.top) * scale / side);
    return x < 0 || x >= plan.columns ? undefined : index.get(y * plan.columns + x);
  }
  canvas.addEventListener('mousemove', e => { const n = under(e); if (n !== undefined) describe(n); });
  canvas.addEventListener('click', e => { const n = under(e); if (n !== undefined) move(n); });
  canvas.addEventListener('keydown', e => {
    const [x, y] = cursor < 0 ? [0, 0] : plan.spot(cursor);
    const to = { ArrowRight: [x + 1, y], ArrowLeft: [x - 1, y], ArrowDown: [x, y + 1], ArrowUp: [x, y - 1] }[e.key];
    if (to && cursor < 0) move(0);
    else if (to && to[0] >= 0 && to[0] < plan.columns) move(index.get(to[1] * plan.columns + to[0]) ?? -1);
    else if (e.key === 'Home') move(0);
    else if (e.key === 'End') move(plan.cells - 1);
    else if (e.key === 'Enter' && cursor >= 0) choose(at(cursor)[0]?.p ?? addresses.at(cursor * plan.per));
    else return;
    e.preventDefault();
  });
  canvas.addEventListener('focus', () => { if (cursor < 0) move(0); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { paint(); document.querySelectorAll('.swatch').forEach(paintSwatch); });
  paint();
  here.textContent = 'Point at a cell, or move over the map with the arrow keys.';
  const used = STATES.filter(s => addresses.rows.some(r => r.w === s));
  const scale = plan.curve ? `along a Hilbert curve, ${plan.per === 1 ? 'a cell for each' : many(plan.per) + ' to a cell'}: near in the network is near here` : 'row by row, a cell for each; blank is what was not asked';
  section.append(make('h2', {}, 'Map'), make('p', { class: 'meta' }, `${many(addresses.count)} addresses from ${addresses.first} to ${addresses.last}, ${scale}`),
    make('div', { class: 'tools' }, ...(ports.length > 1 ? [make('label', { for: 'port' }, 'port'), pick] : []),
      make('ul', { class: 'legend' }, ...used.map(s => make('li', {}, swatch(s), s)))),
    canvas, here);
  section.hidden = false;
}

// drawTimes draws how long answers took, on a scale on which each step is twice the one before.
function drawTimes(section, rows) {
  const times = rows.filter(r => r.t > 0).map(r => r.t).sort((a, b) => a - b);
  if (times.length < 3) return;
  const low = Math.floor(Math.log2(times[0])), bins = new Array(Math.floor(Math.log2(times[times.length - 1])) - low + 1).fill(0);
  for (const t of times) bins[Math.floor(Math.log2(t)) - low]++;
  const quantile = q => times[Math.min(times.length - 1, Math.floor(q * times.length))], ms = t => duration(t, t => t < 10 ? t.toPrecision(2) : Math.round(t));
  const said = `${many(times.length)} answers took from ${ms(times[0])} to ${ms(times[times.length - 1])}; half of them at most ${ms(quantile(.5))}, nine in ten at most ${ms(quantile(.9))}`;
  const NS = 'http://www.w3.org/2000/svg', wide = 46, high = 90, svg = document.createElementNS(NS, 'svg');
  const put = (tag, about, text) => { const e = document.createElementNS(NS, tag); for (const k in about) e.setAttribute(k, about[k]); e.textContent = text || ''; svg.append(e); };
  for (const [k, v] of Object.entries({ width: bins.length * wide, height: high + 34, role: 'img', 'aria-label': said })) svg.setAttribute(k, v);
  const top = Math.max(...bins);
  bins.forEach((n, i) => {
    const h = n ? Math.max(2, n / top * high) : 0;
    put('rect', { x: i * wide + 1, y: 15 + high - h, width: wide - 3, height: h });
    put('text', { x: i * wide + 2, y: 11 + high - h }, n ? many(n) : '');
    put('text', { x: i * wide + 2, y: high + 29 }, String(+(2 ** (i + low)).toPrecision(2)));
  });
  section.append(make('h2', {}, 'Round-trip times (ms)'), make('figure', { class: 'wide' }, svg, make('figcaption', {}, said)));
  section.hidden = false;
}
