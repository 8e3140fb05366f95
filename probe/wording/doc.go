// Package wording has what messages on every floor need alike: counts, large numbers and
// durations in words, and the word that was most likely meant by a misspelt one.
package wording
