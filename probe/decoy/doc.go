// Package decoy answers whether an open port is more than something that answers: what
// it does with a connection, and whether ports of its host answer on which nothing
// should. Middleboxes, tarpits and honeypots accept connections for services that do
// not exist.
package decoy
