// Package phrase turns facts into English, and is the only package that does:
// others return a kind and its values, and decide nothing by the text of a
// sentence.
package phrase
