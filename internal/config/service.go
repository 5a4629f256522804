package config

import (
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/secret"
	"holdfast/internal/size"
)

// Service says how holdfast serve does its work.
type Service struct {
	// StateDir is where the service keeps its ledger, its history and logs.
	StateDir string `yaml:"state_dir,omitempty" format:"path"`
	// Listen is the address for the dashboard, the API, metrics and health, or
	// off; 127.0.0.1:9898 if that is free and nothing is set.
	Listen string `yaml:"listen,omitempty" format:"address-or-off"`
	// TLS is the certificate for Listen. An address that others reach needs one,
	// or off, said on purpose: for a proxy that has it.
	TLS TLS `yaml:"tls,omitempty,flow"`
	// Hosts are names under which the service is reached, such as that of a
	// proxy, beside its own.
	Hosts []string `yaml:"hosts,omitempty,flow"`
	// RestoreDirs are the folders below which restores may write that people
	// ask the service for; restores in the state folder if there are none.
	RestoreDirs []string `yaml:"restore_dirs,omitempty,flow"`
	// ArchivePlaces are the places that archives may be written to that people
	// ask the service for: folders, or URLs as for repositories; none if empty.
	ArchivePlaces []string `yaml:"archive_places,omitempty,flow"`
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
	// Traces go to a collector of OpenTelemetry, unless the variables of that
	// (OTEL_EXPORTER_OTLP_ENDPOINT and others) say where to; to nobody if it is
	// empty. It is read at the start.
	Traces Traces `yaml:"traces,omitempty,flow"`
}

// Traces is a collector of OpenTelemetry. Its URL may be written alone.
type Traces struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, such as
	// http://127.0.0.1:4318.
	Endpoint string `yaml:"endpoint,omitempty"`
	// Headers is a secret that is sent along: name=value,name=value.
	Headers secret.Ref `yaml:"headers,omitempty,flow"`
}

func (t *Traces) setShort(endpoint string) { *t = Traces{Endpoint: endpoint} }

func (t Traces) check(k *checker) {
	if t.Endpoint != "" || !t.Headers.IsZero() {
		u, err := url.Parse(t.Endpoint)
		good := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
		if !good {
			k.key("endpoint").report("is not the URL of a collector", "such as http://127.0.0.1:4318")
		} else if u.User != nil {
			k.key("endpoint").report("holds a password, which anybody who reads the file sees", "take it out, and set headers: { env: ... } to authorization=Basic%20...")
		}
	}
	if !t.Headers.IsZero() {
		checkSecret(k.key("headers"), t.Headers)
	}
}

// DefaultListen is where the service listens if nothing else is said.
const DefaultListen = "127.0.0.1:9898"

// TLS is a certificate. Written as off there is none, on purpose.
type TLS struct {
	// Cert and Key are files in PEM form. They are read again when they change.
	Cert string `yaml:"cert,omitempty" format:"path"`
	Key  string `yaml:"key,omitempty" format:"path"`
	// Mode is off, or empty.
	Mode string `yaml:"mode,omitempty" enum:"off"`
}

func (t *TLS) setShort(mode string) { *t = TLS{Mode: mode} }

// MarshalYAML writes off alone.
func (t TLS) MarshalYAML() (any, error) {
	if t.Cert == "" && t.Key == "" && t.Mode != "" {
		return t.Mode, nil
	}
	type long TLS
	return long(t), nil
}

// IsOff tells whether it was said on purpose that there is no certificate.
func (t TLS) IsOff() bool { return t.Mode == Off }

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
	s.Traces.check(k.key("traces"))
	for i, dir := range s.RestoreDirs {
		at := k.key("restore_dirs").item(i)
		if checkPath(at, dir); slices.Contains(systemDirs[:], filepath.Clean(dir)) {
			at.report("the system itself is in "+dir, "name a folder that is for restores")
		}
	}
	for i, place := range s.ArchivePlaces {
		at := k.key("archive_places").item(i)
		switch {
		case place == "" || !filepath.IsAbs(place) && !strings.Contains(place, ":"):
			at.report("is no place", "write the whole path of a folder, or a URL as for repositories")
		case WithoutPassword(place) != place:
			at.report("holds a password, which anybody who reads the file sees", "take it out, and set the variable that the service of that URL takes it from")
		}
	}
	s.checkListen(k)
}

// systemDirs are not for restores: a service that may write everything would
// put anything there.
var systemDirs = [...]string{"/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var"}

// checkListen has what others reach use TLS.
func (s Service) checkListen(k *checker) {
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		k.key("tls").report("has a certificate without its key, or the other way round", "write tls: { cert: /etc/holdfast/cert.pem, key: /etc/holdfast/key.pem }")
	}
	if s.TLS.Mode != "" && !s.TLS.IsOff() {
		k.key("tls").report("is a certificate with its key, or off", "write tls: { cert: /etc/holdfast/cert.pem, key: /etc/holdfast/key.pem }")
	}
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil || s.TLS.Cert != "" || s.TLS.IsOff() {
		return
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return
	}
	k.key("listen").report("others can reach it, and passwords would travel in the open", "add tls: { cert: ..., key: ... }, or tls: off if a proxy before it has TLS")
}
