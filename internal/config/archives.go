package config

import (
	"path/filepath"
	"time"

	"holdfast/internal/retention"
)

// Archives says where archives of a plan's snapshots go, and for how long they
// stay. `holdfast archive export --plan` makes them, `holdfast storage apply`
// sets the rule of the bucket that deletes them by their age.
type Archives struct {
	// To is the place: a folder, or a URL as for repositories. It holds archives
	// alone.
	To string `yaml:"to"`
	// Options are settings of the kind of place, such as the region of a
	// bucket. They are no place for secrets.
	Options map[string]string `yaml:"options,omitempty"`
	// Recipients are the public keys of those who may open the archives.
	Recipients []string `yaml:"recipients,flow"`
	// Keep is how long after its snapshot an archive stays, such as 7y; as long
	// as the plan keeps snapshots if empty.
	Keep retention.Duration `yaml:"keep,omitempty"`
	// Chain is for how long after a full archive those that follow hold only
	// what changed; without it each is full.
	Chain retention.Duration `yaml:"chain,omitempty"`
	// Schedule says when the service archives the newest snapshots, those that
	// are archived already excepted; without it only people do.
	Schedule string `yaml:"schedule,omitempty" format:"cron"`
}

func (a Archives) check(k *checker, keep retention.Policy) {
	k.key("to").require(a.To != "", "write where the archives go, such as to: s3:https://s3.example.com/cold/archives")
	if a.To != "" && !hasScheme(a.To) && !filepath.IsAbs(a.To) {
		k.key("to").report("a relative path leads somewhere else from every folder", "write the whole path, from / on")
	}
	k.key("recipients").require(len(a.Recipients) > 0, "name the public keys of those who may open them, such as recipients: [age1...]")
	if _, err := a.Days(keep); err != nil {
		k.key("keep").report(err.Error(), "say how long archives stay, such as keep: 7y")
	}
}

// Days returns for how many days after its snapshot an archive stays: what the
// section says, or else what the plan's policy comes to.
func (a Archives) Days(keep retention.Policy) (int, error) {
	if days := a.Keep.LongestDays(); days > 0 {
		return days, nil
	}
	return keep.Reach()
}

// Age returns the age at which a rule may delete archives: the last of a chain
// stays for its time, and those that it needs as long.
func (a Archives) Age(keep retention.Policy) (time.Duration, error) {
	days, err := a.Days(keep)
	return time.Duration(days+a.Chain.LongestDays()) * 24 * time.Hour, err
}

// ArchivesAt returns the sections of plans that put archives in a place, by
// the names of the plans.
func (c *Config) ArchivesAt(url string) map[string]Archives {
	at := make(map[string]Archives)
	for name, p := range c.Plans {
		if p.Archives != nil && placeOf(p.Archives.To) == placeOf(url) {
			at[name] = *p.Archives
		}
	}
	return at
}
