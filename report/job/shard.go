package job

import (
	"errors"
	"fmt"
	"strings"

	"onmux/probe/wording"
	"onmux/scan/batch"
	"onmux/scan/target"
)

// ParseShard reads --shard: I/N, "" for all, or auto for what a batch system sets in the
// environment getenv. seeded reports whether --seed is given: without it shards would
// overlap. The note names the variables of auto.
func ParseShard(value string, seeded bool, getenv func(string) string) (s target.Shard, note string, err error) {
	if value != "auto" {
		if s, err = target.ParseShard(value); err == nil && s.N > 1 && !seeded {
			err = noSeed("--shard")
		}
		return s, "", err
	}
	if !seeded {
		return s, "", noSeed("--shard auto")
	}
	s, from, err := batch.Shard(getenv)
	return s, fmt.Sprintf("shard %d of %d, by %s", s.I, s.N, strings.Join(from, ", ")), err
}

func noSeed(flag string) error {
	return &wording.UsageError{
		Err:  errors.New(flag + " needs --seed"),
		Hint: "the same --seed N for every shard: with others they would overlap",
	}
}
