package config

import "path/filepath"

// Hooks are commands around a backup. They run as the user of the service, in
// the order in which they stand.
type Hooks struct {
	// Before runs first. If one of them fails there is no backup, and OnError
	// runs.
	Before []Hook `yaml:"before,omitempty"`
	// After runs when the backup is over, whether or not it succeeded.
	After []Hook `yaml:"after,omitempty"`
	// OnError runs when the backup or a hook of Before has failed, before
	// After.
	OnError []Hook `yaml:"on_error,omitempty"`
}

// Hook is one command.
type Hook struct {
	// Command is a program, by its whole path, and its arguments. No shell
	// reads it.
	Command []string `yaml:"command,flow"`
	// Timeout is how long it may run. Then it is ended, and has failed.
	Timeout Duration `yaml:"timeout,omitempty" default:"10m"`
	// Env are environment variables to set. They are no place for secrets.
	Env map[string]string `yaml:"env,omitempty"`
}

func (h Hooks) check(k *checker) {
	for name, hooks := range map[string][]Hook{"before": h.Before, "after": h.After, "on_error": h.OnError} {
		for i, hook := range hooks {
			hook.check(k.key(name).item(i))
		}
	}
}

func (h Hook) check(k *checker) {
	k = k.key("command")
	switch {
	case len(h.Command) == 0:
		k.require(false, "such as [/usr/local/bin/freeze, --all]")
	case !filepath.IsAbs(h.Command[0]):
		k.item(0).report("the service has no search path of its own", "write the whole path of the program, from / on")
	}
}
