package owner

import (
	"cmp"
	"os/user"
	"strconv"
	"strings"
)

// users keeps the names of users: looking one up reads a file.
type Users map[uint32]string

// name is the name of a user; "" if it has none.
func (u Users) Name(uid uint32) string {
	name, ok := u[uid]
	if !ok {
		if found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
			name = clip(found.Username)
		}
		if u != nil {
			u[uid] = name
		}
	}
	return name
}

// nameOrNumber is the name of a user, or the number where it has none.
func (u Users) nameOrNumber(uid uint32) string {
	return cmp.Or(u.Name(uid), strconv.FormatUint(uint64(uid), 10))
}

// maxName bounds a name that is reported, in bytes.
const maxName = 256

func clip(name string) string { return strings.ToValidUTF8(name[:min(len(name), maxName)], "\uFFFD") }
