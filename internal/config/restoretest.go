package config

import (
	"path"

	"holdfast/internal/expect"
)

// RestoreTest says when a restore is tried, of what, and what must hold
// after it.
type RestoreTest struct {
	// Schedule is a cron expression.
	Schedule string `yaml:"schedule,omitempty" format:"cron"`
	// Points are the recovery points to test, one after the other from test to
	// test: newest, random, oldest. Empty means newest.
	Points []string `yaml:"points,omitempty,flow" enum:"newest,random,oldest"`
	// From names the repositories to restore from, one after the other from
	// test to test. Empty means the plan's own and each of its copies.
	From []string `yaml:"from,omitempty,flow"`
	// Scratch is the folder to restore into; what is restored there is removed
	// afterwards. Empty means a folder of its own below the temporary one.
	Scratch string `yaml:"scratch,omitempty" format:"path"`
	// Limits bound what a test may use; the plan's own limits do not apply.
	Limits Limits `yaml:"limits,omitempty"`
	// Checks must all hold.
	Checks []Check `yaml:"checks,omitempty"`
}

// Check is one question to restored data and the answer it must give. One of
// SQL, Command, Canary and Files is set.
type Check struct {
	// Name is what reports call the check; the question itself if empty.
	Name string `yaml:"name,omitempty"`
	// Source is the source of the plan that is asked. Empty means the only one
	// that can answer.
	Source string `yaml:"source,omitempty"`
	// SQL is a query whose first value is the answer.
	SQL string `yaml:"sql,omitempty"`
	// Database is where SQL runs; the DSN's if empty.
	Database string `yaml:"database,omitempty"`
	// Command is a program and its arguments; it must end with status 0, and
	// what it prints is the answer.
	Command []string `yaml:"command,omitempty,flow"`
	// Timeout bounds SQL and Command.
	Timeout Duration `yaml:"timeout,omitempty"`
	// Canary is a file, by its path in the source, that must be there.
	Canary string `yaml:"canary,omitempty"`
	// SHA256 is what Canary must hold, as 64 hexadecimal digits.
	SHA256 string `yaml:"sha256,omitempty"`
	// Files compares the restored tree with what was recorded.
	Files *FilesCheck `yaml:"files,omitempty,flow"`
	// Expect is what the answer must be: "> 0", "= paid", or for instants an
	// age such as "< 1h".
	Expect string `yaml:"expect,omitempty"`
}

// FilesCheck compares a restored tree with what was recorded.
type FilesCheck struct {
	// Compare is hashes (every file is read back) or sizes.
	Compare string `yaml:"compare,omitempty" enum:"hashes,sizes"`
}

func (t RestoreTest) check(k *checker) {
	t.Limits.check(k.key("limits"))
	for i, c := range t.Checks {
		c.check(k.key("checks").item(i))
	}
}

func (c Check) check(k *checker) {
	kinds := 0
	for _, set := range []bool{c.SQL != "", len(c.Command) > 0, c.Canary != "", c.Files != nil} {
		if set {
			kinds++
		}
	}
	switch kinds {
	case 0:
		k.report("asks nothing", "write one of sql, command, canary and files")
	case 1:
	default:
		k.report("asks several things", "make a check of each")
	}
	if c.Database != "" && c.SQL == "" {
		k.key("database").report("only sql runs in a database", "remove it")
	}
	if c.SHA256 != "" && !isSHA256(c.SHA256) {
		k.key("sha256").report("not 64 hexadecimal digits", "write what sha256sum prints for the file")
	}
	if c.SHA256 != "" && c.Canary == "" {
		k.key("sha256").report("only a canary has one", "write canary: /the/file")
	}
	if c.Canary != "" && !path.IsAbs(c.Canary) {
		k.key("canary").report("not an absolute path", "write the whole path as it was backed up, from / on")
	}
	if _, err := expect.Parse(c.Expect); err != nil {
		k.key("expect").report(err.Error(), "")
	}
	if c.Expect != "" && c.SQL == "" && len(c.Command) == 0 {
		k.key("expect").report("only sql and command answer something", "remove it")
	}
}

func isSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
