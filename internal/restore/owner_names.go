package restore

import (
	"os/user"
	"strconv"
	"sync"
)

// ownerNames finds the numbers that names have on this machine. What was looked
// up once is not looked up again.
type ownerNames struct {
	mu            sync.Mutex
	users, groups map[string]uint32
}

// user returns the number of a user, or the one that was recorded where nobody
// has the name.
func (o *ownerNames) user(name string, recorded uint32) uint32 {
	return o.number(&o.users, name, recorded, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// group is user for groups.
func (o *ownerNames) group(name string, recorded uint32) uint32 {
	return o.number(&o.groups, name, recorded, func() (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func (o *ownerNames) number(known *map[string]uint32, name string, recorded uint32, lookUp func() (string, error)) uint32 {
	if name == "" {
		return recorded
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	key := name + "\x00" + strconv.FormatUint(uint64(recorded), 10) // one unknown name may have had several numbers
	if n, ok := (*known)[key]; ok {
		return n
	}
	n := recorded
	if text, err := lookUp(); err == nil {
		if parsed, err := strconv.ParseUint(text, 10, 32); err == nil {
			n = uint32(parsed)
		}
	}
	if *known == nil {
		*known = make(map[string]uint32)
	}
	(*known)[key] = n
	return n
}
