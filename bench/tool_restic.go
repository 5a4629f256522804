package main

// restic runs restic, and holdfast, whose command line is compatible. Default
// settings: what a user gets who tunes nothing.
type restic struct {
	program string
	cutter  string // of holdfast's that is asked for, "" for the default
}

var _ tool = restic{}

func (r restic) env(site) []string {
	return []string{"RESTIC_PASSWORD=" + password, "HOLDFAST_PASSWORD=" + password}
}

func (r restic) version() []string { return []string{r.program, "version"} }

func (r restic) commands(s step, at site) [][]string {
	run := func(args ...string) [][]string {
		return [][]string{append([]string{r.program, "-r", at.repository(), "--cache-dir", at.cache()}, args...)}
	}
	switch s {
	case stepInit:
		if r.cutter != "" {
			return run("init", "--cutter", r.cutter)
		}
		return run("init")
	case stepFirst, stepUnchanged, stepChanged:
		return run("backup", ".")
	case stepRestore:
		return run("restore", "latest", "--target", at.restored())
	case stepCheck:
		return run("check", "--read-data")
	case stepForget:
		return run("forget", "--keep-last", "1", "--prune")
	}
	panic("restic: no such step: " + s)
}
