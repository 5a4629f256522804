package cli

import (
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
)

func newPlanSchema(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of holdfast.yaml",
		Long: `Print the JSON Schema of holdfast.yaml. With it, editors complete keys, show what
they mean, and mark what is wrong. With the YAML extension of most editors, write
at the top of the file:

  # yaml-language-server: $schema=holdfast.schema.json`,
		Example: "  holdfast plan schema > ~/.config/holdfast/holdfast.schema.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(c.streams.Out, config.Schema())
			return err
		},
	}
}
