package main

// rclone runs rclone with a crypt remote: the plain copy of files that a
// backup is compared with. It keeps one state and no history, so there is
// nothing to forget.
type rclone struct{ program string }

var _ tool = rclone{}

func (r rclone) env(at site) []string {
	env := []string{
		"RCLONE_CONFIG=/dev/null",
		"RCLONE_CONFIG_CRYPT_TYPE=crypt",
		"RCLONE_CONFIG_CRYPT_PASSWORD=" + rclonePassword,
	}
	if b := at.far; b.isSet() {
		return append(env, "RCLONE_CONFIG_FAR_TYPE=s3", "RCLONE_CONFIG_FAR_PROVIDER=Minio", "RCLONE_CONFIG_FAR_ENV_AUTH=true",
			"RCLONE_CONFIG_FAR_ENDPOINT=http://"+b.host, "RCLONE_CONFIG_FAR_REGION="+b.region,
			"RCLONE_CONFIG_CRYPT_REMOTE=far:"+b.name)
	}
	return append(env, "RCLONE_CONFIG_CRYPT_REMOTE="+at.repository())
}

// rclonePassword is a password as rclone wants it in its configuration:
// hidden from a glance by `rclone obscure`, not protected.
const rclonePassword = "oDCR_WD0AnpiJiLgrVlcyBuScqN2DpSFjsx4GcfUWegtrciM"

func (r rclone) version() []string { return []string{r.program, "version"} }

func (r rclone) commands(s step, at site) [][]string {
	run := func(args ...string) [][]string { return [][]string{append([]string{r.program}, args...)} }
	switch s {
	case stepFirst, stepUnchanged, stepChanged:
		return run("sync", "--links", "--fast-list", at.source, "crypt:")
	case stepRestore:
		return run("copy", "--links", "--fast-list", "crypt:", at.restored())
	case stepCheck:
		return run("cryptcheck", "--links", at.source, "crypt:")
	case stepInit, stepForget:
		return nil
	}
	panic("rclone: no such step: " + s)
}
