package local

import (
	"cmp"
	"os/user"
	"strconv"
)

// users keeps the names of users: looking one up reads a file.
type users map[uint32]string

// name is the name of a user; "" if it has none.
func (u users) name(uid uint32) string {
	name, ok := u[uid]
	if !ok {
		if found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
			name = clip(found.Username)
		}
		u[uid] = name
	}
	return name
}

// nameOrNumber is the name of a user, or the number where it has none.
func (u users) nameOrNumber(uid uint32) string {
	return cmp.Or(u.name(uid), strconv.FormatUint(uint64(uid), 10))
}

// nameUsers gives the users of sockets their names.
func (c census) nameUsers() {
	known := make(users)
	for _, t := range c {
		for _, told := range t.told {
			for i := range told {
				if told[i].owned {
					told[i].user = known.name(told[i].uid)
				}
			}
		}
	}
}
