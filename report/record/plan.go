package record

// MaxShards bounds the shards of one scan.
const MaxShards = 1<<16 - 1

// Plan states which part of which scan a report is of: those with the same
// fingerprint, seed and number of shards belong together.
type Plan struct {
	Fingerprint string `json:"fingerprint"`
	Endpoints   uint64 `json:"endpoints"` // of all shards together
	Seed        string `json:"seed"`
	Shard       int    `json:"shard"` // from 1
	Shards      int    `json:"shards"`
}

// Share is how many endpoints the shard has: it takes every n-th.
func (p Plan) Share() uint64 {
	n, before := uint64(p.Shards), uint64(p.Shard-1)
	share := p.Endpoints / n
	if before < p.Endpoints%n {
		share++
	}
	return share
}
