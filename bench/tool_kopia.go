package main

import "path/filepath"

// kopia runs kopia with zstd-fastest, because its default is not to compress
// at all. Its automatic maintenance is off: otherwise it falls into whichever
// step comes an hour after the last one.
type kopia struct{ program string }

var _ tool = kopia{}

func (k kopia) env(at site) []string {
	return []string{
		"KOPIA_PASSWORD=" + password,
		"KOPIA_CONFIG_PATH=" + filepath.Join(at.base, "kopia.config"),
		"KOPIA_CACHE_DIRECTORY=" + at.cache(),
		"KOPIA_LOG_DIR=" + filepath.Join(at.base, "kopia-log"),
		"KOPIA_CHECK_FOR_UPDATES=false",
		"KOPIA_PERSIST_CREDENTIALS_ON_CONNECT=true",
	}
}

func (k kopia) version() []string { return []string{k.program, "--version"} }

func (k kopia) place(at site) []string {
	if b := at.far; b.isSet() {
		return []string{"s3", "--bucket", b.name, "--endpoint", b.host, "--disable-tls", "--region", b.region, "--access-key", b.key, "--secret-access-key", b.secret}
	}
	return []string{"filesystem", "--path", at.repository()}
}

func (k kopia) commands(s step, at site) [][]string {
	run := func(args ...string) []string { return append([]string{k.program}, args...) }
	switch s {
	case stepInit:
		return [][]string{
			append(run("repository", "create"), append(k.place(at), "--cache-directory", at.cache(), "--no-check-for-updates")...),
			run("policy", "set", "--global", "--compression=zstd-fastest"),
			run("maintenance", "set", "--enable-quick", "false", "--enable-full", "false"),
		}
	case stepFirst, stepUnchanged, stepChanged:
		return [][]string{run("snapshot", "create", "--no-progress", at.source)}
	case stepRestore:
		return [][]string{run("snapshot", "restore", "--no-progress", "--snapshot-time=latest", at.source, at.restored())}
	case stepCheck:
		return [][]string{run("snapshot", "verify", "--verify-files-percent=100", "--no-progress")}
	case stepForget:
		return [][]string{
			run("policy", "set", "--global", "--keep-latest=1", "--keep-hourly=0", "--keep-daily=0", "--keep-weekly=0", "--keep-monthly=0", "--keep-annual=0"),
			run("snapshot", "expire", "--all", "--delete"),
			run("maintenance", "run", "--full", "--safety=none"),
		}
	}
	panic("kopia: no such step: " + s)
}
