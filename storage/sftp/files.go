package sftp

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files returns what of this machine decides where o leads to and who is let
// in: the files named ssh_config, private keys, the hosts that are known, and
// the agent's socket. Not all of them need to exist: whoever can put one there
// is as good as who can change it.
func (o *Options) Files() []string {
	c, err := readSSHConfig(o.ConfigFile)
	if err != nil {
		c, _ = readSSHConfig("none") // what cannot be read names nothing
	}
	files := []string{o.ConfigFile, o.KeyFile, o.KnownHostsFile}
	configs := []string{o.ConfigFile, "/etc/ssh/ssh_config"}
	folders := []string{"/etc/ssh"}
	if c.home != "" {
		folders = append(folders, filepath.Join(c.home, ".ssh"))
		configs = append(configs, filepath.Join(c.home, ".ssh", "config"))
	}
	for _, config := range configs {
		files = append(files, c.included(config)...)
	}
	if t, err := c.target(o); err == nil {
		for _, one := range append(t.jumps, t) {
			files = append(files, one.knownHosts...)
			files = append(files, one.identities.files...)
			files = append(files, one.identities.agent)
		}
	}
	for _, file := range files {
		file = filepath.Clean(c.expandHome(file))
		within := func(folder string) bool { return strings.HasPrefix(file, folder+string(filepath.Separator)) }
		if filepath.IsAbs(file) && !slices.ContainsFunc(folders, within) {
			folders = append(folders, file)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// included returns the files that one named ssh_config includes from elsewhere:
// those without a whole path lie in ~/.ssh or /etc/ssh.
func (c *sshConfig) included(config string) (files []string) {
	data, err := os.ReadFile(c.expandHome(config))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(strings.Replace(line, "=", " ", 1))
		if len(words) < 2 || !strings.EqualFold(words[0], "Include") {
			continue
		}
		for _, pattern := range words[1:] {
			pattern = c.expandHome(strings.Trim(pattern, `"`))
			found, _ := filepath.Glob(pattern) //nolint:errcheck // a bad pattern includes nothing
			files = append(files, found...)
		}
	}
	return files
}
