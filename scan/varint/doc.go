// Package varint reads and writes streams of numbers and texts: a number is an
// unsigned varint (encoding/binary), a text is its length and its bytes. It is
// the encoding of checkpoint files and of the plans in them.
package varint
