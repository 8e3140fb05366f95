// Package recog identifies software by fingerprints in the format of Rapid7's Recog,
// from a directory that the user names: for each kind of text that servers send (a
// greeting, a header, a title) a file of patterns, and the product and version of each.
// A file is read when its kind of text first comes up. A pattern that needs what Go's
// regular expressions do not have (lookahead, backreferences) is left out, and Notes
// counts it. Nothing of Recog is part of this program.
package recog
