package config

import "holdfast/internal/size"

// Service says how holdfast serve does its work.
type Service struct {
	// StateDir is where the service keeps its ledger, its history and logs.
	StateDir string `yaml:"state_dir,omitempty"`
	// Listen is the address for metrics and health, such as 127.0.0.1:9898;
	// there is none if empty.
	Listen string `yaml:"listen,omitempty"`
	// Timezone is the zone of schedules that name none; the machine's if empty.
	Timezone string `yaml:"timezone,omitempty"`
	// Concurrency bounds how many runs there are at once.
	Concurrency Concurrency `yaml:"concurrency,omitempty,flow"`
	// Upkeep keeps repositories small and sound.
	Upkeep Upkeep `yaml:"upkeep,omitempty"`
	// History bounds what is kept of finished runs.
	History History `yaml:"history,omitempty,flow"`
	// Notify names channels that are told of what belongs to no plan.
	Notify []string `yaml:"notify,omitempty,flow"`
	// Ping is called every minute while the service is well, so that somebody
	// notices when it is not.
	Ping *Ping `yaml:"ping,omitempty,flow"`
}

// Concurrency bounds how many runs there are at once.
type Concurrency struct {
	// Host is how many there are on this machine; 2 if 0.
	Host int `yaml:"host,omitempty"`
	// Repository is how many there are in one repository; 1 if 0.
	Repository int `yaml:"repository,omitempty"`
}

// Upkeep has the jobs that keep repositories small and sound. A job without a
// schedule runs as its comment says; "off" runs it never.
type Upkeep struct {
	// Window has the times in which upkeep may start; empty means any time.
	Window Windows `yaml:"window,omitempty,flow"`
	// Retention forgets the snapshots that the plans' keep lets go; daily
	// if not set.
	Retention UpkeepJob `yaml:"retention,omitempty,flow"`
	// Prune frees the space of what was forgotten; weekly if not set.
	Prune PruneJob `yaml:"prune,omitempty,flow"`
	// Check reads repositories back; daily if not set.
	Check CheckJob `yaml:"check,omitempty,flow"`
	// Extend prolongs the locks of immutable repositories; daily if not set.
	Extend UpkeepJob `yaml:"extend,omitempty,flow"`
	// LogPrune removes log that no recovery point needs; daily if not set.
	LogPrune UpkeepJob `yaml:"log_prune,omitempty,flow"`
}

// UpkeepJob is when a job of upkeep runs.
type UpkeepJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty"`
}

// PruneJob is when, and how much at a time, space is freed.
type PruneJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty"`
	// Budget is how many bytes one run may write anew; 0 sets no bound.
	Budget size.Bytes `yaml:"budget,omitempty"`
	// Window has the times in which it may start, if they are others than
	// those of upkeep.
	Window Windows `yaml:"window,omitempty,flow"`
}

// CheckJob is when, and how fast, repositories are read back.
type CheckJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty"`
	// Within is the time in which everything is read back once; 30d if 0.
	Within Duration `yaml:"within,omitempty"`
}

// History bounds what is kept of finished runs: the oldest go first.
type History struct {
	// For is how long runs are kept; 400d if 0.
	For Duration `yaml:"for,omitempty"`
	// Size is how many bytes they may take, logs included; 2G if 0.
	Size size.Bytes `yaml:"size,omitempty"`
}

// Off is the schedule of a job that never runs.
const Off = "off"

func (s Service) check(k *checker) {
	if s.StateDir != "" {
		checkPath(k.key("state_dir"), s.StateDir)
	}
	if s.Concurrency.Host != 0 {
		checkRange(k.key("concurrency").key("host"), s.Concurrency.Host, 1, 1000)
	}
	if s.Concurrency.Repository != 0 {
		checkRange(k.key("concurrency").key("repository"), s.Concurrency.Repository, 1, 1000)
	}
	if s.Ping != nil {
		s.Ping.check(k.key("ping"))
	}
}
