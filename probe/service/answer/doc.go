// Package answer recognises the service in what a peer sent. Every answer is compared
// with every row of the tables of rules, whichever request it answers, and the most
// specific row wins. What no rule knows is described by the kind of its bytes.
//
// rules*.go are the tables; a protocol that needs more than a row has a file of its own
// for what the row names. Rules keep nothing, send nothing and accept any bytes.
package answer
