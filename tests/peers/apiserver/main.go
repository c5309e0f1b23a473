// The API server of the live tests: Kubernetes' own kube-apiserver and its etcd in one process, so
// that a test has one thing to start, one to wait for and one to end.
//
// Arguments are kube-apiserver's, plus a few in the environment:
//
//	ETCD_DIR             folder of etcd's data; what is there is served again
//	ETCD_CLIENT          URL etcd listens on for its clients (default: a free port of 127.0.0.1);
//	                     at a port that is named it takes JSON as well
//	ETCD_PEER            URL etcd listens on for other members (the same)
//	SERVICE_ACCOUNT_KEY  key that signs service accounts' tokens; written if it isn't there
//
// Ends on SIGTERM, and at once when its standard input ends.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	// A test that was killed can't end what it started, but its end of the pipe closes. The parent
	// death signal wouldn't do: it comes when the parent's thread ends, and a test is a thread.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	arguments, err := prepare()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	command := app.NewAPIServerCommand()
	command.SetArgs(append(arguments, os.Args[1:]...))
	os.Exit(cli.Run(command))
}

// prepare starts etcd and writes the key; it returns the arguments that tell kube-apiserver.
func prepare() ([]string, error) {
	server, err := startEtcd()
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	key, err := serviceAccountKey()
	if err != nil {
		return nil, fmt.Errorf("service account key: %w", err)
	}
	return []string{
		"--etcd-servers=http://" + server.Clients[0].Addr().String(),
		"--service-account-key-file=" + key,
		"--service-account-signing-key-file=" + key,
	}, nil
}

func startEtcd() (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = os.Getenv("ETCD_DIR")
	if config.Dir == "" {
		return nil, errors.New("ETCD_DIR is not set")
	}
	client, err := url.Parse(cmp.Or(os.Getenv("ETCD_CLIENT"), "http://127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	peer, err := url.Parse(cmp.Or(os.Getenv("ETCD_PEER"), "http://127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.LogLevel = "error"
	// JSON for who loads objects without the API server. It would look for itself at port 0.
	config.EnableGRPCGateway = client.Port() != "0"
	// The data needs to outlive a test's process, not a power cut, and disks of build machines are slow.
	config.UnsafeNoFsync = true
	// Room for the objects of a large cluster and their history; the default is 2 GB.
	config.QuotaBackendBytes = 8 << 30
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case err := <-server.Err():
		return nil, err
	case <-time.After(30 * time.Second):
		return nil, errors.New("not ready after 30 s")
	}
}

// serviceAccountKey makes kube-apiserver's signing key here: openssl isn't everywhere that Go is.
func serviceAccountKey() (string, error) {
	path := os.Getenv("SERVICE_ACCOUNT_KEY")
	if path == "" {
		return "", errors.New("SERVICE_ACCOUNT_KEY is not set")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	pem, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return "", err
	}
	return path, keyutil.WriteKey(path, pem)
}
