package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is set by the linker when a release is built.
var Version = "dev"

// programVersion is what snapshots record as their maker.
func programVersion() string { return "holdfast " + Version }

type versionMessage struct {
	MessageType string `json:"message_type"` // "version"
	Version     string `json:"version"`
	Revision    string `json:"revision,omitempty"`
	GoVersion   string `json:"go_version"`
	OS          string `json:"go_os"`
	Arch        string `json:"go_arch"`
}

func newVersion(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  holdfast version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionMessage{"version", Version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
			c.ui.message(v)
			c.ui.printf("holdfast %s (%s) compiled with %s on %s/%s\n", v.Version, firstOf(v.Revision, "unknown revision"), v.GoVersion, v.OS, v.Arch)
			return nil
		},
	}
}

// revision returns the commit the program was built from, if it is known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return ""
}
