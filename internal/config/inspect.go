package config

// Inspection is a configuration with where everything in it was set.
type Inspection struct {
	*Config
	at positions
}

// Inspect is Load for those who want to know where things were set.
func Inspect(path string) (*Inspection, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	l, problems := load(disk, path, data)
	if len(problems) > 0 {
		return nil, problems
	}
	return &Inspection{l.config, l.at}, nil
}
