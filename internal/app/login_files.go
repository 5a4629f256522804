package app

import (
	"os"
	"path/filepath"

	"holdfast/storage/sftp"
)

// LoginFiles returns the files and folders of this machine, besides those that
// settings name, that decide how a place is reached and who is let in there:
// keys, credentials, and the servers that are known. Not all need to exist.
func LoginFiles(url string, settings map[string]string) []string {
	kind, err := KindOf(url)
	if err != nil {
		return nil
	}
	var files []string
	if kind.SpeaksTLS() {
		files = certificatesInEnvironment()
	}
	switch kind {
	case "sftp":
		return sshFiles(url, settings)
	case "s3":
		files = append(files, inEnvironment("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE")...)
		return append(files, inHome(".aws")...)
	case "gs":
		files = append(files, inEnvironment("GOOGLE_APPLICATION_CREDENTIALS")...)
		return append(files, inHome(".config/gcloud")...)
	case "azure":
		files = append(files, inEnvironment("AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PATH")...)
		return append(files, inHome(".azure")...)
	}
	return files
}

// sshFiles leaves out what cannot be understood: nothing is reached by it.
func sshFiles(url string, settings map[string]string) []string {
	o, err := sftp.Parse(url)
	if err != nil {
		return nil
	}
	for name, value := range settings {
		if err := o.Set(name, value); err != nil {
			return nil
		}
	}
	return o.Files()
}

// inEnvironment are files that variables of this process name.
func inEnvironment(variables ...string) (files []string) {
	for _, name := range variables {
		if file := os.Getenv(name); file != "" {
			files = append(files, file)
		}
	}
	return files
}

// inHome are files in the home folder of who runs this.
func inHome(names ...string) (files []string) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil // a service without a home folder has none there
	}
	for _, name := range names {
		files = append(files, filepath.Join(home, name))
	}
	return files
}
