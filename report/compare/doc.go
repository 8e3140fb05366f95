// Package compare works on saved reports: what changed from one to another, and the
// shards of one scan put together.
package compare
