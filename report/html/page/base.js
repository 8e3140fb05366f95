'use strict';
// What is shared by map, histogram and table.
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

// States of an endpoint, as a cell of the map shows them where it has several: what is open,
// then what something is in the way of, then what is closed.
const STATES = ['open', 'filtered', 'unreachable', 'unknown', 'open|filtered', 'closed'];
const COLORS = { 'open': '--open', 'closed': '--closed', 'open|filtered': '--filtered', 'filtered': '--filtered', 'unreachable': '--unreachable', 'unknown': '--unsure' };
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// glyph draws a state so that it is recognized without its colour: open is full,
// closed a small square, filtered a frame, open|filtered a frame with a point,
// unreachable a cross, unknown a ring.
function glyph(c, state, x, y, s, paint, flat) {
  c.fillStyle = c.strokeStyle = paint;
  if (s < 7 || flat) { c.fillRect(x, y, s, s); return; }
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


// read inflates the rows of the page: a list for each field becomes an object for each row.
async function read() {
  const packed = Uint8Array.from(atob(document.getElementById('rows').textContent), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const c = await new Response(stream).json(), rows = new Array(c.n);
  const v4 = n => [n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255].join('.');
  const lines = (c.d.v || []).map(d => d ? d.split('\n') : []);
  let before = 0;
  for (let i = 0; i < c.n; i++) {
    const r = { w: c.w.v[c.w.i[i]], r: c.r.v[c.r.i[i]], k: c.k.v[c.k.i[i]], s: c.s.v[c.s.i[i]], d: lines[c.d.i[i]], o: c.o.v[c.o.i[i]], z: c.z.v[c.z.i[i]], t: c.t[i], c: c.c[i] };
    const a = c.a[i], b = c.b[i];
    if (typeof a === 'string' && a !== '=') {
      r.first = numberOf(a); r.last = b ? numberOf(b) : r.first;
    } else if (a) {
      before += a === '=' ? 0 : a;
      r.first = BigInt(before); r.last = BigInt(before + (typeof b === 'number' ? b : 0));
    }
    r.range = b !== 0;
    r.p = c.p[i] || v4(before) + ':' + r.o;
    rows[i] = r;
  }
  return rows;
}
