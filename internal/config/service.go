package config

import "holdfast/internal/size"

// Service says how holdfast serve does its work.
type Service struct {
	// StateDir is where the service keeps its ledger, its history and logs.
	StateDir string `yaml:"state_dir,omitempty" format:"path"`
	// Listen is the address for metrics and health, such as 127.0.0.1:9898;
	// there is none if empty.
	Listen string `yaml:"listen,omitempty" format:"address"`
	// Timezone is the zone of schedules that name none; the machine's if empty.
	Timezone string `yaml:"timezone,omitempty" format:"timezone"`
	// Concurrency bounds how many runs there are at once.
	Concurrency Concurrency `yaml:"concurrency,omitempty,flow"`
	// Upkeep keeps repositories small and sound.
	Upkeep Upkeep `yaml:"upkeep,omitempty"`
	// History bounds what is kept of finished runs.
	History History `yaml:"history,omitempty,flow"`
	// Survey is how often it is looked how all plans stand: recovery points,
	// objectives, copies. Each look lists the repositories.
	Survey Duration `yaml:"survey,omitempty" default:"10m"`
	// Notify names channels that are told of what belongs to no plan.
	Notify []string `yaml:"notify,omitempty,flow"`
	// Ping is called every minute while the service is well, so that somebody
	// notices when it is not.
	Ping *Ping `yaml:"ping,omitempty,flow"`
}

// Concurrency bounds how many runs there are at once.
type Concurrency struct {
	// Host is how many there are on this machine.
	Host int `yaml:"host,omitempty" default:"2"`
	// Repository is how many there are in one repository.
	Repository int `yaml:"repository,omitempty" default:"1"`
}

// Upkeep has the jobs that keep repositories small and sound. Each runs unless
// its schedule is off.
type Upkeep struct {
	// Window has the times in which upkeep may start; empty means any time.
	Window Windows `yaml:"window,omitempty,flow" single:"yes"`
	// Retention forgets the snapshots that the plans' keep lets go.
	Retention RetentionJob `yaml:"retention,omitempty,flow"`
	// Prune frees the space of what was forgotten.
	Prune PruneJob `yaml:"prune,omitempty,flow"`
	// Check reads repositories back.
	Check CheckJob `yaml:"check,omitempty,flow"`
	// Extend prolongs the locks of immutable repositories.
	Extend ExtendJob `yaml:"extend,omitempty,flow"`
	// LogPrune removes log that no recovery point needs.
	LogPrune LogPruneJob `yaml:"log_prune,omitempty,flow"`
}

// RetentionJob is when snapshots are forgotten.
type RetentionJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty" format:"cron-or-off" default:"10 4 * * *"`
}

// PruneJob is when, and how much at a time, space is freed.
type PruneJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty" format:"cron-or-off" default:"30 4 * * SUN"`
	// Budget is how many bytes one run may write anew; 0 sets no bound.
	Budget size.Bytes `yaml:"budget,omitempty"`
	// Window has the times in which it may start, if they are others than
	// those of upkeep.
	Window Windows `yaml:"window,omitempty,flow" single:"yes"`
}

// CheckJob is when, and how fast, repositories are read back.
type CheckJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty" format:"cron-or-off" default:"0 5 * * *"`
	// Within is the time in which everything is read back once.
	Within Duration `yaml:"within,omitempty" default:"30d"`
}

// ExtendJob is when the locks of immutable repositories are prolonged.
type ExtendJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty" format:"cron-or-off" default:"0 1 * * *"`
}

// LogPruneJob is when log is removed.
type LogPruneJob struct {
	// Schedule is a cron expression, or off.
	Schedule string `yaml:"schedule,omitempty" format:"cron-or-off" default:"20 4 * * *"`
}

// History bounds what is kept of finished runs: the oldest go first.
type History struct {
	// For is how long runs are kept.
	For Duration `yaml:"for,omitempty" default:"400d"`
	// Size is how many bytes they may take, logs included.
	Size size.Bytes `yaml:"size,omitempty" default:"2G"`
}

func (s Service) check(k *checker) {
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
