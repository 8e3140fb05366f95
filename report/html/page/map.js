// The map and the histogram.
// How many addresses have rows of a grid, and how long those rows are.
const GRID = 4096, LABEL = 108;

// space lays the addresses of rows out: each row that has an address learns its place,
// from and to. In a grid, lines begin at a multiple of their length, with gaps for what
// was not probed; where that would be mostly gaps, and along a curve, they lie end to end.
function space(rows, columns) {
  const known = rows.filter(r => r.first !== undefined && STATES.includes(r.w));
  const order = known.slice().sort((a, b) => a.first < b.first ? -1 : a.first > b.first ? 1 : 0);
  const spans = [];
  for (const r of order) {
    const top = spans[spans.length - 1];
    if (top && r.first <= top.last + 1n) { if (r.last > top.last) top.last = r.last; } else spans.push({ first: r.first, last: r.last });
  }
  const count = spans.reduce((n, s) => n + Number(s.last - s.first) + 1, 0);
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

// layout decides where the cells lie: rows of a grid, or along a Hilbert curve.
function layout(size, count, columns) {
  if (count <= GRID) return { per: 1, cells: size, columns, lines: Math.ceil(size / columns), curve: false, spot: n => [n % columns, Math.floor(n / columns)] };
  const k = Math.min(9, Math.ceil(Math.log2(size) / 2)), per = Math.ceil(size / 4 ** k), cells = Math.ceil(size / per);
  const spots = new Uint16Array(2 * cells);
  for (let n = 0; n < cells; n++) spots.set(hilbert(k, n), 2 * n);
  return { per, cells, columns: 1 << k, lines: 1 << k, curve: true, spot: n => [spots[2 * n], spots[2 * n + 1]] };
}

// across is how many cells a row of the grid has: as many as are still seen in the width, and
// where there are few rows, as leave each row room for its label.
const across = (count, width) => [64, 32, 16].find(n => (width - LABEL) / n >= (n === 64 || count <= 512 ? 14 : 7) && count >= 2 * n) || 16;

// drawMaps draws a map for each zone where there is room, or one on which a zone is chosen.
function drawMaps(section, rows, choose) {
  const zones = [...new Set(rows.map(r => r.z).filter(Boolean))].sort(), most = 6;
  if (zones.length < 2 || zones.length > most) { drawMap(section, rows, choose, '', zones); return; }
  section.hidden = false;
  const grid = make('div', { class: 'zone-maps' });
  section.append(make('h2', {}, 'Maps'), grid);
  let drawn = false;
  zones.forEach((zone, i) => {
    const part = make('section', { 'data-zone': zone, 'aria-label': zone });
    grid.append(part);
    drawMap(part, rows.filter(r => r.z === zone), choose, '-' + i, [zone]);
    drawn ||= !part.hidden;
  });
  section.hidden = !drawn;
}

function drawMap(section, rows, choose, id, zones) {
  section.hidden = false; // or it would have no width
  const room = () => Math.max(240, section.clientWidth);
  const known = rows.filter(r => r.first !== undefined && STATES.includes(r.w));
  let total = 0n;
  for (const r of known) total += r.last - r.first + 1n;
  let columns = across(Number(total), room()), addresses = space(known, columns);
  if (addresses.count < 2) { section.hidden = true; return; }
  columns = across(addresses.count, room());
  addresses = space(known, columns);
  let plan = layout(addresses.size, addresses.count, columns), margin = 0, side = 1;
  const ports = [...new Set(known.map(r => r.o))].sort((a, b) => parseInt(a) - parseInt(b) || (a < b ? -1 : 1));
  const protos = [...new Set(ports.map(p => p.split('/')[1]))].sort();
  const canvas = make('canvas', { class: 'addresses', tabindex: '0', role: 'application', 'aria-roledescription': 'map of addresses',
    'aria-label': `Map of ${many(addresses.count)} addresses. Arrow keys move, Home and End jump, Enter shows the address in the table.`, 'aria-describedby': 'here' + id });
  const here = make('output', { class: 'here', id: 'here' + id, 'aria-live': 'polite' });
  // TCP and UDP are never in one cell: a closed UDP port would say nothing of a TCP port.
  const pick = make('select', { id: 'port' + id, on: { change: () => paint() } },
    ...protos.map(p => make('option', { value: '/' + p }, ports.filter(o => o.endsWith('/' + p)).length > 1 ? `any ${p} port` : ports.find(o => o.endsWith('/' + p)))),
    ...(ports.length > protos.length ? ports.map(p => make('option', { value: p }, p)) : []));
  const open = known.find(r => r.w === 'open');
  pick.value = '/' + (open ? open.o.split('/')[1] : protos[0]);
  const from = make('select', { id: 'zone' + id, on: { change: () => paint() } }, ...zones.map(z => make('option', { value: z }, z)));
  const picked = r => (zones.length < 2 || r.z === from.value) && (pick.value[0] === '/' ? r.o.endsWith(pick.value) : r.o === pick.value);
  let index = new Map(), shown = new Uint8Array(0), cursor = -1;

  function measure() {
    const width = room(), wanted = across(addresses.count, width);
    if (!plan.curve && wanted !== columns) {
      columns = wanted;
      addresses = space(known, columns);
      plan = layout(addresses.size, addresses.count, columns);
    }
    margin = plan.curve ? 0 : LABEL;
    side = plan.curve ? width / plan.columns : Math.max(4, Math.min(44, (width - margin) / plan.columns));
    index = new Map();
    for (let n = 0; n < plan.cells; n++) { const [x, y] = plan.spot(n); index.set(y * plan.columns + x, n); }
    paint();
  }
  function paint() {
    shown = new Uint8Array(plan.cells);
    for (const r of addresses.rows) {
      if (!picked(r)) continue;
      const rank = STATES.length - STATES.indexOf(r.w);
      for (let n = Math.floor(r.from / plan.per), end = Math.floor(r.to / plan.per); n <= end; n++) if (shown[n] < rank) shown[n] = rank;
    }
    const zoom = Math.min(2, window.devicePixelRatio || 1), w = margin + plan.columns * side, h = plan.lines * side, flat = plan.cells > GRID;
    canvas.width = Math.round(w * zoom); canvas.height = Math.round(h * zoom);
    canvas.style.width = w + 'px';
    const c = canvas.getContext('2d'), paints = STATES.map(s => color(COLORS[s]));
    c.scale(zoom, zoom);
    c.textBaseline = 'middle';
    c.font = '12px system-ui, sans-serif';
    const step = Math.ceil(14 / side); // of the lines that have a label
    for (let n = 0; n < plan.cells; n++) {
      const [x, y] = plan.spot(n), rank = shown[n];
      if (!plan.curve && x === 0 && y % step === 0) { c.fillStyle = color('--soft'); c.fillText(addresses.at(n), 0, y * side + side / 2, margin - 8); }
      if (rank) glyph(c, STATES[STATES.length - rank], margin + x * side, y * side, flat ? Math.ceil(side) : side, paints[STATES.length - rank], flat);
    }
    // Where cells are too small to be seen alone, what is open stands out.
    if (side < 6 && shown.reduce((n, rank) => n + (rank === STATES.length), 0) < plan.cells / 50) for (let n = 0; n < plan.cells; n++) if (shown[n] === STATES.length) {
      const [x, y] = plan.spot(n);
      c.fillStyle = color('--paper'); c.fillRect(margin + x * side + side / 2 - 3, y * side + side / 2 - 3, 6, 6);
      c.fillStyle = paints[0]; c.fillRect(margin + x * side + side / 2 - 2, y * side + side / 2 - 2, 4, 4);
    }
    if (plan.curve) label(c);
    if (cursor >= 0) {
      const [x, y] = plan.spot(cursor), s = Math.max(side, 6);
      c.strokeStyle = color('--ink'); c.lineWidth = 2;
      c.strokeRect(margin + x * side + (side - s) / 2, y * side + (side - s) / 2, s, s);
    }
  }
  // label names the sixteenths of the curve: squares of their own, each of neighbors.
  function label(c) {
    const each = plan.columns * plan.columns / 16, square = plan.columns / 4 * side, size = square < 90 ? 10 : 13;
    c.font = `600 ${size}px system-ui, sans-serif`;
    c.textAlign = 'left';
    c.lineWidth = 1;
    for (let n = 0; n < plan.cells; n += each) {
      const [x, y] = plan.spot(n), left = Math.floor(x / (plan.columns / 4)) * square, top = Math.floor(y / (plan.columns / 4)) * square;
      c.strokeStyle = color('--ink');
      c.globalAlpha = .35; c.strokeRect(left + .5, top + .5, square - 1, square - 1); c.globalAlpha = 1;
      const text = addresses.at(n * plan.per), wide = Math.min(c.measureText(text).width, square - 10);
      c.fillStyle = color('--paper'); c.fillRect(left + 2, top + 2, wide + 6, size + 5);
      c.fillStyle = color('--ink'); c.fillText(text, left + 5, top + 5 + size / 2, square - 10);
    }
  }
  function at(n) {
    const low = n * plan.per, high = low + plan.per - 1;
    return addresses.rows.filter(r => r.from <= high && r.to >= low && picked(r));
  }
  function describe(n) {
    const low = n * plan.per, high = Math.min(low + plan.per, addresses.size) - 1, found = at(n);
    const lines = found.slice(0, 8).map(r => [(r.from === r.to && r.from === low && low === high) ? r.o : r.p, r.w, r.r, r.t ? duration(r.t, t => t.toPrecision(3)) : '', [r.k, r.s].filter(Boolean).join(' ')].filter(Boolean).join('  '));
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
  const used = STATES.filter(s => known.some(r => r.w === s));
  const scale = plan.curve ? `along a Hilbert curve, ${plan.per === 1 ? 'a cell for each' : many(plan.per) + ' to a cell'}: near in the network is near here; each square is named by its first address` : 'row by row, a cell for each; blank is what was not probed';
  section.append(zones.length === 1 && id ? make('h3', {}, zones[0]) : make('h2', {}, 'Map'), make('p', { class: 'meta' }, `${many(addresses.count)} addresses from ${addresses.first} to ${addresses.last}, ${scale}`),
    make('div', { class: 'tools' }, ...(zones.length > 1 ? [make('label', { for: 'zone' + id }, 'zone'), from] : []), ...(ports.length > 1 ? [make('label', { for: 'port' + id }, 'port'), pick] : []),
      make('ul', { class: 'legend' }, ...used.map(s => make('li', {}, swatch(s), s)))),
    ...(ports.length > 1 ? [make('p', { class: 'meta' }, 'A cell shows what of its ports is first in this list.')] : []),
    canvas, here);
  measure();
  here.textContent = 'Point at a cell, or move over the map with the arrow keys.';
  let width = room();
  new ResizeObserver(() => { if (room() !== width) { width = room(); measure(); } }).observe(section);
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
  section.append(make('h2', {}, 'Round-trip times (ms)'), make('figure', {}, make('div', { class: 'wide', tabindex: '0', role: 'region', 'aria-label': 'histogram' }, svg), make('figcaption', {}, said)));
  section.hidden = false;
}
