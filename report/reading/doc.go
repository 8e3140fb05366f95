// Package reading reads reports as other programs save them: how text is compressed and
// encoded, and the results of masscan, zmap, naabu and RustScan. What they do not record is
// not made up: they list what is open, and nothing else.
package reading
