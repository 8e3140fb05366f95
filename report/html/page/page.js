// What puts the page together. Where the rows cannot be read, the plain table stays.
(async () => {
  const part = id => document.getElementById(id), command = document.body.dataset.command;
  for (const li of document.querySelectorAll('.counts li')) if (STATES.includes(li.dataset.word)) li.prepend(swatch(li.dataset.word));
  try {
    const rows = await read();
    part('plain')?.remove();
    if (!rows.length) part('all').hidden = true;
    else if (command === 'diff') drawChanges(part('all'), rows);
    else {
      const choose = drawTable(part('all'), rows, command);
      drawServices(part('services'), rows, choose);
      drawMaps(part('map'), rows, choose);
      drawTimes(part('rtt'), rows);
    }
  } catch (e) {
    if (typeof DecompressionStream !== 'undefined') throw e;
  } finally {
    document.body.dataset.ready = '';
  }
})();
