// Holds what onmux writes against packages of npm that read it:
// consumers.js MODULES tap|junit|csv FILE... or consumers.js MODULES ajv REPORT_SCHEMA POLICY_SCHEMA FILE...
'use strict';
const fs = require('fs'), path = require('path');
const [modules, what, ...files] = process.argv.slice(2);
const load = name => require(path.join(modules, 'node_modules', name));
const json = file => JSON.parse(fs.readFileSync(file, 'utf8'));
let bad = 0;
const complain = (...text) => { bad++; console.log(...text); };

if (what === 'tap') {
  const { Parser } = load('tap-parser');
  for (const file of files) {
    const events = Parser.parse(fs.readFileSync(file, 'utf8'), { strict: true });
    const { failures, count } = events.find(e => e[0] === 'complete')[1];
    const wrong = failures.filter(f => f.tapError).map(f => f.tapError);
    for (const [, text] of events.filter(e => e[0] === 'extra')) wrong.push('not TAP: ' + text);
    if (wrong.length || !count) complain(file, count, 'cases', wrong);
  }
} else if (what === 'csv') {
  const papa = load('papaparse');
  for (const file of files) {
    const { data, errors } = papa.parse(fs.readFileSync(file, 'utf8'), { header: true, skipEmptyLines: true });
    if (errors.length || !data.length || data[data.length - 1].type !== 'summary') complain(file, data.length, 'rows', errors);
  }
} else if (what === 'junit') {
  (async () => {
    const { parse } = await import(path.join(modules, 'node_modules/junit2json/dist/esm/index.js'));
    for (const file of files) {
      const { testsuite: suites } = await parse(fs.readFileSync(file, 'utf8'));
      for (const s of suites) {
        const cases = s.testcase || [], failed = cases.filter(c => c.failure).length;
        if (cases.length !== s.tests || failed !== s.failures) complain(file, s.name, cases.length, failed, s.tests, s.failures);
      }
      if (!suites.length) complain(file, 'no suite');
    }
    process.exit(bad ? 1 : 0);
  })();
} else {
  const Ajv = load('ajv/dist/2020').default, formats = load('ajv-formats').default;
  const ajv = new Ajv({ strict: true });
  formats(ajv);
  const [report, policy, ...documents] = files, schema = json(report);
  ajv.compile(json(policy));
  const document = ajv.compile(schema), line = ajv.compile({ $ref: schema.$id + '#/$defs/line' });
  for (const file of documents) {
    if (file.endsWith('.json')) {
      if (!document(json(file))) complain(file, document.errors[0]);
      continue;
    }
    fs.readFileSync(file, 'utf8').trim().split('\n').forEach((text, n) => {
      if (!line(JSON.parse(text))) complain(file, 'line', n + 1, line.errors[0]);
    });
  }
}
if (what !== 'junit') process.exit(bad ? 1 : 0);
