package app

import (
	"cmp"
	"maps"
	"os"
)

// certificateFiles are the settings that name files of certificates, and the
// variables, HOLDFAST_... or restic's own RESTIC_..., that say the same for all
// servers.
var certificateFiles = map[string]string{"ca-cert": "CACERT", "client-cert": "TLS_CLIENT_CERT"}

// withCertificates adds to the settings of a place what variables say of
// certificates, where the settings say nothing.
func withCertificates(kind Kind, settings map[string]string) map[string]string {
	if !kind.SpeaksTLS() {
		return settings
	}
	all := maps.Clone(settings)
	for setting, name := range certificateFiles {
		if file := variable(name); file != "" && all[setting] == "" {
			if all == nil {
				all = make(map[string]string)
			}
			all[setting] = file
		}
	}
	return all
}

// variable returns the value of HOLDFAST_name, or of restic's own variable.
func variable(name string) string {
	return cmp.Or(os.Getenv("HOLDFAST_"+name), os.Getenv("RESTIC_"+name))
}

// certificatesInEnvironment are the files that variables name.
func certificatesInEnvironment() (files []string) {
	for _, name := range certificateFiles {
		if file := variable(name); file != "" {
			files = append(files, file)
		}
	}
	return files
}
