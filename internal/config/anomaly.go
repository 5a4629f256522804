package config

// Anomaly says when a backup is so unlike those before it that somebody has to
// look: then people are told, nothing is pruned, and the last good snapshot
// stays.
type Anomaly struct {
	// Off watches nothing.
	Off bool `yaml:"off,omitempty"`
	// Runs is how many earlier runs are compared with.
	Runs int `yaml:"runs,omitempty" default:"30"`
	// Deviations is how far from the median counts as unlike, in median
	// absolute deviations.
	Deviations float64 `yaml:"deviations,omitempty" default:"6"`
	// Signals is how many figures must be unlike at once.
	Signals int `yaml:"signals,omitempty" default:"2"`
	// AlertOnly tells people, and lets pruning go on.
	AlertOnly bool `yaml:"alert_only,omitempty"`
}

func (a Anomaly) check(k *checker) {
	if a.Runs != 0 {
		checkRange(k.key("runs"), a.Runs, 5, 1000)
	}
	if a.Signals != 0 {
		checkRange(k.key("signals"), a.Signals, 1, 10)
	}
	if a.Deviations < 0 || a.Deviations > 0 && a.Deviations < 1 {
		k.key("deviations").report("so little happens all the time", "write a number of at least 1, such as 6")
	}
}
