// Package queue passes items to a slow reader without delaying the writer, in order,
// up to a bound. A scan emits its findings through it.
package queue
