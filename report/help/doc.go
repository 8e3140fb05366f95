// Package help answers how onmux is used: manual pages, help topics, completion for shells
// and what flags of other programs are called here. It gets commands and flags as data.
package help
