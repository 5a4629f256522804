package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/app/protect"
	"holdfast/internal/app/unit"
	"holdfast/internal/backup"
	"holdfast/internal/config"
	"holdfast/internal/size"
	"holdfast/internal/verify/proof"
	"holdfast/repository"
)

// protectResult is what protect prints, and its message with --json.
type protectResult struct {
	MessageType string   `json:"message_type"` // "protected"
	Plan        string   `json:"plan"`
	Source      string   `json:"source"`
	Paths       []string `json:"paths"`
	ConfigFile  string   `json:"config_file"`
	// SetUp tells that this run made the plan.
	SetUp bool `json:"set_up"`

	Repository     protectedIn `json:"repository"`
	RepositoryMade bool        `json:"repository_made"`
	PasswordFile   string      `json:"password_file,omitempty"`
	PasswordMade   bool        `json:"password_made"`
	RecoveryKit    string      `json:"recovery_kit"`

	SnapshotID    string    `json:"snapshot_id"`
	Type          string    `json:"type"`
	RecoveryPoint time.Time `json:"recovery_point"`
	Files         uint64    `json:"files"`
	Folders       uint64    `json:"folders"`
	Bytes         uint64    `json:"bytes"`
	FilesNew      uint64    `json:"files_new"`
	FilesChanged  uint64    `json:"files_changed"`
	BytesStored   uint64    `json:"bytes_stored"`
	BackupSeconds float64   `json:"backup_seconds"`
	// Unreadable counts what could not be read whole and is not protected.
	Unreadable int `json:"unreadable"`

	Proof proofResult `json:"proof"`
	// SameDisk tells that losing one disk loses the source and all of this.
	SameDisk bool     `json:"same_disk"`
	Next     []string `json:"next"`
}

type protectedIn struct {
	Name     string `json:"name"`
	Location string `json:"location"`
	ID       string `json:"id"`
}

type proofResult struct {
	Passed       bool   `json:"passed"`
	Files        uint64 `json:"files"`
	Folders      uint64 `json:"folders"`
	Others       uint64 `json:"others"`
	Bytes        uint64 `json:"bytes"`
	ChangedSince uint64 `json:"changed_since"`
	Differences  uint64 `json:"differences"`
	// Parts is 1 unless there was too little scratch space.
	Parts          int      `json:"parts"`
	NotRestored    uint64   `json:"not_restored"`
	NotRestoredBig []string `json:"not_restored_files,omitempty"`
	ScratchNeeded  uint64   `json:"scratch_needed"`
	ScratchRoom    uint64   `json:"scratch_room"`
	RestoredBytes  uint64   `json:"restored_bytes"`
	RestoreSeconds float64  `json:"restore_seconds"`
	// OwnersCompared is false where only root could restore them.
	OwnersCompared bool    `json:"owners_compared"`
	Seconds        float64 `json:"seconds"`
}

// report prints what is protected, where, how well proven, and what is next.
func (p *protection) report(r *repository.Repository, receipt *backup.Receipt, proven *proof.Proof) error {
	if err := p.fill(r, receipt, proven); err != nil {
		return err
	}
	p.ui.message(p.result)
	if p.ui.quiet {
		return nil
	}
	p.printState(receipt)
	p.printProof(proven)
	p.printSetup()
	p.printNext()
	return nil
}

func (p *protection) fill(r *repository.Repository, receipt *backup.Receipt, proven *proof.Proof) error {
	s, sum := receipt.Snapshot, receipt.Snapshot.Summary
	res := &p.result
	res.MessageType, res.Plan, res.Source, res.Paths = "protected", p.setup.Plan, p.setup.Source, p.setup.Files.Paths
	res.ConfigFile, res.SetUp, res.RecoveryKit = p.setup.ConfigPath, p.setup.IsNew(), p.setup.KitPath()
	res.PasswordFile = p.setup.Repository.Password.File
	res.Repository = protectedIn{p.setup.Name, r.Location(), r.ID()}
	res.SnapshotID, res.Type, res.RecoveryPoint = s.ID.String(), string(receipt.Type), s.Time
	res.Files, res.Folders, res.Bytes = sum.TotalFilesProcessed, sum.DirsNew+sum.DirsChanged+sum.DirsUnmodified, sum.TotalBytesProcessed
	res.FilesNew, res.FilesChanged, res.BytesStored = sum.FilesNew, sum.FilesChanged, sum.DataAddedPacked
	res.BackupSeconds, res.Unreadable = receipt.Duration.Seconds(), receipt.Errors
	res.Proof = proofResult{
		Passed: proven.Holds(), Files: proven.Files, Folders: proven.Folders, Others: proven.Others, Bytes: proven.Bytes,
		ChangedSince: proven.ChangedSince, Differences: proven.Differences,
		Parts: proven.Parts, NotRestored: proven.TooLargeFiles, NotRestoredBig: proven.TooLarge,
		ScratchNeeded: proven.Needed, ScratchRoom: proven.Room,
		RestoredBytes: proven.RestoredBytes, RestoreSeconds: proven.RestoreDuration.Seconds(),
		OwnersCompared: os.Geteuid() == 0 && !proven.NoOwners, Seconds: proven.Duration.Seconds(),
	}
	res.SameDisk = p.sameDisk()
	var err error
	res.Next, err = p.next()
	return err
}

// sameDisk tells whether the repository is on the disk of its source, as far
// as that can be known.
func (p *protection) sameDisk() bool {
	location, ok := p.setup.Folder()
	if !ok {
		return false
	}
	for _, path := range p.setup.Files.Paths {
		if same, err := protect.SameDisk(path, location); err == nil && same {
			return true
		}
	}
	return false
}

// fact prints a line of the result under its heading.
func (p *protection) fact(heading, format string, args ...any) {
	p.ui.printf("  %-16s"+format+"\n", append([]any{heading}, args...)...)
}

func (p *protection) printState(receipt *backup.Receipt) {
	res := &p.result
	if res.SetUp {
		p.ui.printf("protected: %s\n\n", strings.Join(res.Paths, ", "))
	} else {
		p.ui.printf("protected again: %s (set up earlier, as plan %q)\n\n", strings.Join(res.Paths, ", "), res.Plan)
	}
	p.fact("what", "%s in %s, %s", countOf(res.Files, "file"), countOf(res.Folders, "folder"), size.FormatBytes(res.Bytes))
	if receipt.Parent != nil {
		p.fact("", "since the last time: %d new, %d changed", res.FilesNew, res.FilesChanged)
	}
	if res.Unreadable > 0 {
		p.fact("", "NOT protected: %s that could not be read", countOf(uint64(res.Unreadable), "item")) //nolint:gosec // a count
	}
	made := ""
	if res.RepositoryMade {
		made = ", made just now"
	}
	p.fact("where", "%s (repository %q%s)", res.Repository.Location, res.Repository.Name, made)
	p.fact("recovery point", "%s, snapshot %s (%s)", res.RecoveryPoint.Local().Format(time.DateTime), receipt.Snapshot.ID.Short(), res.Type)
	p.fact("", "%s stored in %s", size.FormatBytes(res.BytesStored), spent(receipt.Duration))
}

func (p *protection) printProof(proven *proof.Proof) {
	verdict := "passed"
	if !proven.Holds() {
		verdict = fmt.Sprintf("FAILED: %s did not come back right", countOf(proven.Differences, "item"))
	}
	p.fact("restore test", "%s: %s, %s restored in %s (%s)", verdict,
		countOf(proven.Files-proven.TooLargeFiles, "file"), size.FormatBytes(proven.RestoredBytes),
		spent(proven.RestoreDuration), rate(proven.RestoredBytes, proven.RestoreDuration))
	p.fact("", "then compared with the source: every byte,")
	p.fact("", "%s", p.comparedMetadata())
	if proven.ChangedSince > 0 {
		p.fact("", "%s changed since the backup: compared with the snapshot instead", countOf(proven.ChangedSince, "item"))
	}
	if proven.Parts > 1 {
		p.fact("", "in %d parts, one after the other: all of it needs %s of scratch space,", proven.Parts, size.FormatBytes(proven.Needed))
		p.fact("", "and %s has room for %s", p.scratch.Path(), size.FormatBytes(proven.Room))
	}
	if proven.TooLargeFiles > 0 {
		p.fact("", "%s larger than the scratch space: read from the repository and compared,", countOf(proven.TooLargeFiles, "file"))
		p.fact("", "but not restored; --scratch names a place with more room")
		for _, path := range proven.TooLarge {
			p.fact("", "  %s", path)
		}
	}
}

// comparedMetadata names the metadata that were compared.
func (p *protection) comparedMetadata() string {
	if p.result.Proof.OwnersCompared {
		return "modes, owners, times, links and attributes"
	}
	return "modes, times, links and attributes"
}

func (p *protection) printSetup() {
	res := &p.result
	p.fact("recovery kit", "%s", res.RecoveryKit)
	p.fact("", "print it, and keep it away from this machine")
	if res.PasswordFile != "" {
		p.fact("password", "%s", res.PasswordFile)
		p.fact("", "without it nothing comes back: keep a copy elsewhere, too")
	}
	p.fact("plan", "%q in %s", res.Plan, res.ConfigFile)
}

func (p *protection) printNext() {
	if p.result.SameDisk {
		p.ui.printf("\nThe repository is on the disk of its source: losing that disk loses both.\nGive it a second one, on another disk:\n\n  %s\n", p.result.Next[0])
		p.ui.printf("\nNext:\n\n")
		p.printCommands(p.result.Next[1:])
		return
	}
	p.ui.printf("\nNext:\n\n")
	p.printCommands(p.result.Next)
}

func (p *protection) printCommands(commands []string) {
	for _, command := range commands {
		p.ui.printf("  %s\n", command)
	}
}

// next returns the commands that make sense now. When the repository is on
// the disk of its source the first one is a way out of that.
func (p *protection) next() ([]string, error) {
	cfg, err := config.Load(p.setup.ConfigPath)
	if err != nil {
		return nil, err
	}
	program, repo := programCall(), ""
	if len(cfg.Repositories) > 1 {
		repo = " -r " + p.setup.Name
	}
	var quoted []string
	for _, path := range p.setup.Files.Paths {
		quoted = append(quoted, shellQuote(path))
	}
	again := program + " protect " + strings.Join(quoted, " ")
	next := []string{
		program + " snapshots" + repo,
		program + " restore " + p.result.SnapshotID[:8] + " --target /tmp/restored" + repo,
		again + p.toFlag(),
	}
	if by := serviceCall(program); by != "" {
		next = append(next, by)
	}
	if p.result.SameDisk {
		next = append([]string{again + " --to /mnt/other/holdfast"}, next...)
	}
	return next, nil
}

// serviceCall returns the command that has the plans run by themselves, "" where
// a service does it already.
func serviceCall(program string) string {
	host := unit.Host{Personal: os.Geteuid() != 0}
	install := " service install --now"
	if host.Personal {
		install = " service install --user-unit --now"
		var err error
		if host.ConfigHome, err = os.UserConfigDir(); err != nil {
			return program + " serve"
		}
	}
	if _, installed, err := unit.Installed(host); err != nil || installed {
		return ""
	}
	if !host.Runs() || program == goRun {
		return program + " serve"
	}
	return program + install
}

// toFlag is needed where the same paths go to several repositories.
func (p *protection) toFlag() string {
	if p.setup.Plan == p.setup.Source {
		return ""
	}
	return " --to " + shellQuote(p.setup.Name)
}

// goRun is how a program that is not installed is called.
const goRun = "go run ./cmd/holdfast"

// programCall returns how the user can call this program again.
func programCall() string {
	self, err := os.Executable()
	if err != nil {
		return "holdfast"
	}
	if strings.Contains(filepath.ToSlash(self), "/go-build") { // made by go run, and gone at the end
		return goRun
	}
	if found, err := exec.LookPath("holdfast"); err == nil {
		a, errA := os.Stat(found)
		b, errB := os.Stat(self)
		if errA == nil && errB == nil && os.SameFile(a, b) {
			return "holdfast"
		}
	}
	return shellQuote(self)
}

// shellQuote writes an argument so that a shell takes it for one.
func shellQuote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+,="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// spent writes a duration: tenths of seconds count where there are few.
func spent(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return size.FormatDuration(d)
}

func rate(bytes uint64, d time.Duration) string { return size.FormatRate(int64(bytes), d) } //nolint:gosec // no work is larger
