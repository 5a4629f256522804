package pitr

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"holdfast/internal/postgres"
)

// Recovery is what a restored server is told.
type Recovery struct {
	// RestoreCommand is run for each file of the log; "" for a backup that
	// has its log along with it.
	RestoreCommand string
	Wish           Wish
	Timeline       uint32
	// Pause leaves the server read-only at the target, until
	// pg_wal_replay_resume(); otherwise it goes on as a new timeline.
	Pause bool
	// Standby makes it follow the server of PrimaryConninfo instead.
	Standby         bool
	PrimaryConninfo string
	// KeepArchiving leaves archive_mode as it was. Without it the restored
	// server archives nothing, so that it cannot write into the archive of
	// the one it was made from.
	KeepArchiving bool
	// Mark tells this restore from all others, in postgres.RestoredSetting; "" for
	// a server that nobody archives.
	Mark string
	// TablespacesInside tells that tablespaces lie in the data directory
	// itself, which the server must be told to accept.
	TablespacesInside bool
}

// settingEscapes writes a value between quotes as the server reads it from its
// configuration (GUC_scanstr of src/backend/utils/misc/guc-file.l).
var settingEscapes = strings.NewReplacer(`\`, `\\`, "'", "''", "\n", `\n`, "\r", `\r`)

// Settings returns the lines of the server's configuration.
func (r Recovery) Settings() []string {
	lines := []string{"# written by holdfast restore"}
	add := func(name, value string) {
		lines = append(lines, name+" = '"+settingEscapes.Replace(value)+"'")
	}
	command := r.RestoreCommand
	if command == "" {
		command = "false" // it must be set; this one has no file, so pg_wal is used
	}
	add("restore_command", command)
	if !r.KeepArchiving {
		add("archive_mode", "off")
	}
	if r.Mark != "" {
		add(postgres.RestoredSetting, r.Mark)
	}
	if r.TablespacesInside {
		add("allow_in_place_tablespaces", "on")
	}
	if r.Standby {
		add("primary_conninfo", r.PrimaryConninfo)
		timeline := "latest"
		if r.Wish.Timeline != 0 { // the newest that is archived may be an abandoned one
			timeline = strconv.FormatUint(uint64(r.Wish.Timeline), 10)
		}
		add("recovery_target_timeline", timeline)
		return lines
	}
	name, value := r.Wish.setting()
	// What an earlier recovery left in the backup must not count. The target
	// comes last: PostgreSQL takes an empty one after it for a second one.
	for _, other := range []string{"recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_xid"} {
		if other != name {
			add(other, "")
		}
	}
	if name != "" {
		add(name, value)
	}
	add("recovery_target_inclusive", strconv.FormatBool(!r.Wish.Exclusive))
	add("recovery_target_timeline", strconv.FormatUint(uint64(r.Timeline), 10))
	action := "promote"
	if r.Pause {
		action = "pause"
	}
	add("recovery_target_action", action)
	return lines
}

// setting returns the setting that says the wish; none for the end of the log.
func (w Wish) setting() (name, value string) {
	switch {
	case !w.Time.IsZero():
		return "recovery_target_time", w.Time.UTC().Format("2006-01-02 15:04:05.999999+00")
	case w.LSN != 0:
		return "recovery_target_lsn", w.LSN.String()
	case w.Name != "":
		return "recovery_target_name", w.Name
	case w.Transaction != "":
		return "recovery_target_xid", w.Transaction
	case w.Immediate:
		return "recovery_target", "immediate"
	}
	return "", ""
}

// Write puts the settings into a restored data directory, and the file that
// makes the server recover.
func (r Recovery) Write(data string) error {
	signal := "recovery.signal"
	if r.Standby {
		signal = "standby.signal"
	}
	// Whatever the backup had of these is about another recovery.
	for _, name := range []string{"recovery.signal", "standby.signal", "postmaster.pid", "postmaster.opts"} {
		if err := os.Remove(filepath.Join(data, name)); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("prepare recovery: %w", err)
		}
	}
	auto, err := os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("prepare recovery: %w", err)
	}
	if _, err := auto.WriteString(strings.Join(r.Settings(), "\n") + "\n"); err != nil {
		auto.Close()
		return fmt.Errorf("prepare recovery: %w", err)
	}
	if err := auto.Close(); err != nil {
		return fmt.Errorf("prepare recovery: %w", err)
	}
	if err := os.WriteFile(filepath.Join(data, signal), nil, 0o600); err != nil {
		return fmt.Errorf("prepare recovery: %w", err)
	}
	return nil
}
