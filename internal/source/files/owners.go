package files

import (
	"os/user"
	"strconv"
	"sync"
)

// maxOwners bounds the names remembered: far more than any machine's users,
// far less than the 2^32 numbers a hostile or mapped file system can show.
const maxOwners = 4096

// owners remembers the names of users and groups, whose lookup reads whole
// files or asks servers.
type owners struct {
	mu     sync.RWMutex
	users  map[uint32]string
	groups map[uint32]string
}

func (o *owners) user(uid uint32) string  { return o.name(&o.users, uid, lookUpUser) }
func (o *owners) group(gid uint32) string { return o.name(&o.groups, gid, lookUpGroup) }

// name returns the name of id, "" if it has none, from the cache if there.
func (o *owners) name(cache *map[uint32]string, id uint32, lookUp func(uint32) string) string {
	o.mu.RLock()
	name, known := (*cache)[id]
	o.mu.RUnlock()
	if known {
		return name
	}
	name = lookUp(id)
	o.mu.Lock()
	defer o.mu.Unlock()
	if *cache == nil || len(*cache) >= maxOwners {
		*cache = make(map[uint32]string)
	}
	(*cache)[id] = name
	return name
}

// lookUpUser returns the name of a user, "" if nobody has that number.
func lookUpUser(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

// lookUpGroup returns the name of a group, "" if none has that number.
func lookUpGroup(gid uint32) string {
	g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10))
	if err != nil {
		return ""
	}
	return g.Name
}
