// Package recog reads fingerprints in the format of Rapid7's Recog from a folder
// that the user names: for each kind of text that servers say (a greeting, a
// header, a title) a file of patterns, and which product and version each is of.
// Files are read when their kind of text first turns up. What a pattern needs
// that Go's regular expressions do not have (looking ahead, remembering) leaves it
// out, and that is told. Nothing of Recog is part of this program.
package recog
