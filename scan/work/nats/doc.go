// Package nats carries the scans of package work over NATS JetStream. A stream has what is being
// scanned, one what workers report of themselves; each scan has a work queue of its segments, and a
// stream with its request and with what workers stored. All names begin with onmux (subjects) and
// ONMUX (streams), so that an account can be allowed exactly those.
package nats
