package unit

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/config"
)

// setting is a line of a unit.
type setting struct {
	section, key, value string
	// why is a comment above the line, "" for none.
	why string
}

const (
	marker     = "# Made by `holdfast service install`, which replaces it."
	markerText = marker + "\n# What you want otherwise belongs into a drop-in, which stays: systemctl edit holdfast\n"
)

// Text returns the unit.
func (s *Spec) Text() string {
	var b strings.Builder
	b.WriteString(markerText)
	section := ""
	for _, line := range s.settings() {
		if line.section != section {
			section = line.section
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		if line.why != "" {
			fmt.Fprintf(&b, "\n# %s\n", strings.ReplaceAll(line.why, "\n", "\n# "))
		}
		fmt.Fprintf(&b, "%s=%s\n", line.key, line.value)
	}
	return b.String()
}

// lists are the keys whose values add up: an empty one begins anew.
var lists = [...]string{"ConditionPathExists", "ExecStart", keyWritePath, "ReadWritePaths", "StateDirectory", "SystemCallFilter"}

// DropIn returns what makes the unit of base one of s, "" if nothing does.
func (s *Spec) DropIn(base *Spec) string {
	was, wanted := base.settings(), s.settings()
	var b strings.Builder
	section, done := "", map[string]bool{}
	for _, line := range slices.Concat(wanted, was) {
		if done[line.key] {
			continue
		}
		done[line.key] = true
		lines := differing(line.key, valuesOf(was, line.key), valuesOf(wanted, line.key))
		if len(lines) > 0 && line.section != section {
			section = line.section
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		for _, value := range lines {
			fmt.Fprintf(&b, "%s=%s\n", line.key, value)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return marker + "\n# Further drop-ins of yours stay: systemctl edit holdfast\n" + b.String()
}

func valuesOf(settings []setting, key string) []string {
	var values []string
	for _, line := range settings {
		if line.key == key {
			values = append(values, line.value)
		}
	}
	return values
}

// differing returns the values to be set so that those of a key become others.
func differing(key string, was, wanted []string) []string {
	switch {
	case slices.Equal(was, wanted):
		return nil
	case !slices.Contains(lists[:], key):
		return wanted
	}
	added := wanted
	for _, value := range was {
		if !slices.Contains(wanted, value) {
			return append([]string{""}, wanted...)
		}
		added = slices.DeleteFunc(slices.Clone(added), func(v string) bool { return v == value })
	}
	return added
}

// settings returns the lines of the unit, section by section. See
// systemd.unit(5), systemd.service(5) and systemd.exec(5).
func (s *Spec) settings() []setting {
	all := slices.Concat(s.remembered(), s.unitSection(), s.serviceSection())
	if s.Personal {
		all = append(all, s.personalLimits()...)
		return append(all, setting{section: "Install", key: "WantedBy", value: "default.target"})
	}
	all = append(all, s.reach()...)
	all = append(all, s.limits()...)
	return append(all, setting{section: "Install", key: "WantedBy", value: "multi-user.target"})
}

// remembered is what a person asked for, for the next time. systemd leaves
// such sections alone.
func (s *Spec) remembered() []setting {
	var all []setting
	for _, path := range s.WritePaths {
		all = append(all, setting{section: "X-Holdfast", key: keyWritePath, value: pathWord(path)})
	}
	return all
}

const keyWritePath = "WritePath"

func (s *Spec) unitSection() []setting {
	in := section("Unit")
	all := []setting{
		in("Description", "holdfast: backups, copies and restore tests on schedule"),
		in("Documentation", "man:holdfast-serve(1)"),
	}
	if !s.Personal {
		all = append(all,
			in("Wants", "network-online.target"),
			in("After", "network-online.target local-fs.target remote-fs.target"))
	}
	if s.Config == config.SystemPath { // which serve waits for
		return all
	}
	return append(all, in("ConditionPathExists", escape(s.Config)))
}

func (s *Spec) serviceSection() []setting {
	in := section("Service")
	command := []string{s.Program, "--config", s.Config, "serve", "--state-dir", s.StateDir}
	for i, word := range command {
		command[i] = commandWord(word)
	}
	all := []setting{
		in("Type", "notify"),
		in("NotifyAccess", "main"),
		in("ExecStart", strings.Join(command, " ")),
		in("ExecReload", `/bin/sh -c "kill -HUP $MAINPID"`),
		in("Restart", "on-failure"),
		in("RestartSec", "5"),
		in("TimeoutStartSec", "5min"),
		in("WatchdogSec", "5min").because("Ended, and started again, when it says for so long no more that it is well."),
		in("KillMode", "mixed").because("Runs are processes of their own. The service tells them to end, waits 30 s, and\nruns them again when it is back."),
		in("TimeoutStopSec", "90"),
		in("OOMPolicy", "continue").because("A run that takes too much memory ends alone."),
	}
	if s.Personal {
		return all
	}
	return append(all, in("EnvironmentFile", "-/etc/holdfast/environment").because("Passwords that holdfast.yaml takes from the environment: NAME=value, mode 0600."))
}

// reach is who the service is, and what it can read and write.
func (s *Spec) reach() []setting {
	in := section("Service")
	bounding, ambient, state := "CAP_DAC_READ_SEARCH", "CAP_DAC_READ_SEARCH", "holdfast"
	if s.User == superuser {
		bounding, ambient = "~", "" // all, and none to hand on
	}
	if s.StateDir != DefaultStateDir {
		state = ""
	}
	all := []setting{
		in("User", s.User),
		in("Group", s.Group),
		in("CapabilityBoundingSet", bounding).because("Reads every file, as backups must, and can do nothing else that root can."),
		in("AmbientCapabilities", ambient),
		in("ProtectSystem", "strict").because("Everything is read-only but what is named here. Restores to other places are for\n`holdfast restore`, run by root."),
		in("ProtectHome", "read-only"),
		in("StateDirectory", state),
		in("StateDirectoryMode", "0700"),
		in("CacheDirectory", "holdfast"),
		in("CacheDirectoryMode", "0700"),
	}
	for _, path := range s.writable() {
		all = append(all, in("ReadWritePaths", "-"+pathWord(path)))
	}
	return append(all,
		in("PrivateTmp", yes(!s.SharedTemp)),
		in("Environment", "HOLDFAST_CACHE_DIR=/var/cache/holdfast TMPDIR=/var/tmp").because("Restore tests are large, and /tmp may be memory."),
		in("UMask", "0077"))
}

// limits is what the service cannot do. As root it keeps what tests of
// restores need: namespaces for their commands, and files with their owners
// and permissions.
func (s *Spec) limits() []setting {
	in := section("Service")
	apart, calls := yes(s.User != superuser), "@system-service"
	if s.User == superuser {
		calls += " @mount"
	}
	return append([]setting{
		in("NoNewPrivileges", "yes"),
		in("PrivateDevices", apart),
		in("ProtectClock", "yes"),
		in("ProtectControlGroups", "yes"),
		in("ProtectHostname", "yes"),
		in("ProtectKernelLogs", "yes"),
		in("ProtectKernelModules", "yes"),
		in("ProtectKernelTunables", "yes"),
		in("ProtectProc", "invisible"),
		in("RemoveIPC", apart),
		in("RestrictNamespaces", apart),
		in("RestrictSUIDSGID", apart),
	}, callLimits(calls)...)
}

// personalLimits are those that a user's systemd can set.
func (s *Spec) personalLimits() []setting {
	in := section("Service")
	return append([]setting{in("UMask", "0077"), in("NoNewPrivileges", "yes")}, callLimits("@system-service @mount")...)
}

// callLimits bound what the kernel is asked for.
func callLimits(calls string) []setting {
	in := section("Service")
	return []setting{
		in("LockPersonality", "yes"),
		in("MemoryDenyWriteExecute", "yes"),
		in("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
		in("RestrictRealtime", "yes"),
		in("SystemCallArchitectures", "native"),
		in("SystemCallFilter", calls),
		in("SystemCallErrorNumber", "EPERM"),
	}
}

func section(name string) func(key, value string) setting {
	return func(key, value string) setting { return setting{section: name, key: key, value: value} }
}

func (l setting) because(why string) setting {
	l.why = why
	return l
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// escape keeps systemd from finding specifiers in a value.
func escape(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// pathWord writes a path as one word of a list of paths.
func pathWord(path string) string { return quote(escape(path)) }

// commandWord writes an argument of a command line, in which variables are
// looked for, too.
func commandWord(arg string) string { return quote(strings.ReplaceAll(escape(arg), "$", "$$")) }

// quote keeps a word together; see "Quoting" in systemd.syntax(7).
func quote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n\"'\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
