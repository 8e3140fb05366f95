#!/usr/bin/python3
"""Holds what onmux writes against programs that read it: ndiff, python3-libnmap, promtool, prove, jq,
csvkit, python3-junitparser and Python itself, all of Debian. Each saved document is written in each
format, read by the program, and compared with what the document has. What is not installed is
reported, and left out.

  CGO_ENABLED=0 go build -o onmux . && testdata/consumers.py ./onmux
"""
import collections
import csv
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

onmux = pathlib.Path(sys.argv[1]).resolve()
documents = sorted((pathlib.Path(__file__).parent / "documents").glob("*.json"))
bad = 0
checked = collections.Counter()
missing = set()


def complain(*what):
    global bad
    bad += 1
    print(*what)


def run(*command, stdin=None):
    return subprocess.run([str(c) for c in command], stdin=stdin, capture_output=True, text=True, timeout=120)


def has(program):
    if shutil.which(program) is None:
        missing.add(program)
        return False
    return True


def module(name):
    try:
        return __import__(name, fromlist=["x"])
    except ImportError:
        missing.add("python3-" + name.split(".")[0])
        return None


def equal(reader, document, what, got, want):
    checked[reader] += 1
    if got != want:
        complain(f"{document.name}: {reader} reads {what} {got}, and the document has {want}")


def accepts(reader, document, result, status=0):
    checked[reader] += 1
    if result.returncode != status or "Parse error" in result.stdout:
        complain(f"{document.name}: {reader} ends with {result.returncode}: {(result.stdout + result.stderr)[:300]}")


def tables(document, findings, file):
    with open(file, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f, strict=True))
    many = sum(max(len(x.get("owners", [])), 1) - 1 for x in findings if x["type"] in ("listener", "event"))
    equal("python csv", document, "rows", len(rows), len(findings) + many + 1)
    equal("python csv", document, "rows with too many cells", sum(None in r for r in rows), 0)
    for mac in {x["mac"] for x in findings if "mac" in x}:
        equal("python csv", document, "the MAC " + mac, any(r["mac"] == mac for r in rows), True)
    if has("csvclean"):
        result = run("csvclean", "-n", file)
        accepts("csvkit", document, result)
        equal("csvkit", document, "errors", result.stdout.strip(), "No errors.")
        kinds = run("csvcut", "-c", "type", file).stdout.split()[1:]
        equal("csvkit", document, "rows", len(kinds), len(rows))


def scans(document, findings, file):
    if has("ndiff"):
        accepts("ndiff", document, run("ndiff", file, file))
    parser = module("libnmap.parser")
    if parser is None:
        return
    checked["libnmap"] += 1
    try:
        report = parser.NmapParser.parse_fromfile(str(file))
    except parser.NmapParserException as e:
        complain(f"{document.name}: libnmap: {e}")
        return
    got = {(h.address, port, proto) for h in report.hosts for port, proto in h.get_open_ports()}
    want = {(x["address"].split("%")[0], x["port"], x["proto"]) for x in findings
            if x["type"] == "endpoint" and x["state"] == "open" and "address" in x}
    if document.name.startswith("check"):
        equal("libnmap", document, "open ports", len(got) > 0, any(x["type"] == "listener" and x["state"] == "listening"
              and x.get("netns", "host") == "host" for x in findings))
        return
    equal("libnmap", document, "open ports", {(a.split("%")[0], p, q) for a, p, q in got}, want)
    services = {(h.address, s.port, s.protocol): s.banner for h in report.hosts for s in h.services if s.open()}
    for x in findings:
        product = x.get("service", {}).get("product")
        if x["type"] == "endpoint" and x["state"] == "open" and product:
            equal("libnmap", document, f"the product of {x['address']}:{x['port']}",
                  product in services.get((x["address"], x["port"], x["proto"]), ""), True)


def cases(document, violations, file):
    junit = module("junitparser")
    if junit is None:
        return
    checked["junitparser"] += 1
    suites = junit.JUnitXml.fromfile(str(file))
    suites = [suites] if isinstance(suites, junit.TestSuite) else list(suites)
    found = [c for s in suites for c in s]
    equal("junitparser", document, "cases", len(found), sum(s.tests for s in suites))
    failed = sum(any(isinstance(r, junit.Failure) for r in c.result) for c in found)
    equal("junitparser", document, "failures", failed, sum(s.failures for s in suites))
    if not document.name.startswith("diff"):  # whose changes fail
        equal("junitparser", document, "whether some fail", failed > 0, violations > 0)


def main():
    with tempfile.TemporaryDirectory() as made:
        for document in documents:
            saved = json.loads(document.read_text())
            findings = saved["findings"] + [dict(v, type="violation") for v in saved.get("violations", [])
                                            if not any(f["type"] == "violation" for f in saved["findings"])]
            violations = len([f for f in findings if f["type"] == "violation"])
            at = lambda name: pathlib.Path(made) / (document.stem + "." + name)
            formats = ["json", "jsonl", "csv", "prom", "tap", "junit", "nmap-xml"]
            for name in formats:
                result = run(onmux, "report", document, "-q", "-o", f"{name}={at(name)}")
                if not at(name).exists() and "has no endpoints to write" not in result.stderr and saved["command"] != "explain":
                    complain(f"{document.name}: no {name}: {result.stderr}")
            if has("jq"):
                kinds = run("jq", "-r", ".findings[].type", at("json")).stdout.split()
                equal("jq", document, "findings of json", len(kinds), len(saved["findings"]))
                lines = run("jq", "-r", ".type", at("jsonl")).stdout.split()
                equal("jq", document, "lines of jsonl", len(lines), len(findings) + 2)
            if saved["command"] == "explain":
                continue  # it has json, jsonl and text only
            tables(document, findings, at("csv"))
            if has("promtool"):
                with open(at("prom"), encoding="utf-8") as f:
                    result = run("promtool", "check", "metrics", stdin=f)
                accepts("promtool", document, result)
                equal("promtool", document, "remarks", result.stderr, "")
            if has("prove"):
                fails = "\nnot ok" in at("tap").read_text()
                accepts("prove", document, run("prove", "--exec", "cat", at("tap")), 1 if fails else 0)
                if violations:
                    equal("prove", document, "whether some fail", fails, True)
            cases(document, violations, at("junit"))
            if at("nmap-xml").exists():
                scans(document, findings, at("nmap-xml"))
    for reader, n in sorted(checked.items()):
        print(f"{reader}: {n} checks")
    if missing:
        print("not installed:", ", ".join(sorted(missing)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
