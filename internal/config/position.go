package config

// position is where a value was set: a place, and the key that is written
// there, which for a default is another one.
type position struct {
	place
	written string
}

// positions tells where each value was set, by its path as in Problem.Key.
type positions map[string]position

// of returns the place of a key, or of the closest one around it that is
// written in a file, and the key as it would be written there.
func (p positions) of(key string) position {
	for parent := key; parent != ""; {
		if at, ok := p[parent]; ok {
			at.written += key[len(parent):]
			return at
		}
		parent = parentKey(parent)
	}
	return position{written: key}
}
