// Asks a registry by Consul's own Go library what Go services ask. What the embedded registry does not have must be an error: Consul's
// library takes some answers without data for data.
//
// Usage: consul-api consul|embedded HOST:PORT
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	id   = "peers-1"
	name = "peers.service"
)

func main() {
	client, err := api.NewClient(&api.Config{Address: os.Args[2]})
	must(err)
	same(client)
	if os.Args[1] == "embedded" {
		missing(client)
	} else {
		there(client)
	}
	must(client.Agent().ServiceDeregister(id))
	entries, _, err := client.Health().Service(name, "", false, nil)
	must(err)
	check(len(entries) == 0, "deregistered and still there")
	fmt.Println("register, heartbeat, blocking query, deregister; what is not there is an error")
}

// same is what both have to do alike.
func same(client *api.Client) {
	must(client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: id, Name: name, Tags: []string{"v1"}, Address: "127.0.0.1", Port: 9001, Meta: map[string]string{"version": "1"},
		TaggedAddresses: map[string]api.ServiceAddress{"grpc": {Address: "127.0.0.1", Port: 9001}},
		Weights:         &api.AgentWeights{Passing: 3, Warning: 1},
		Check:           &api.AgentServiceCheck{CheckID: "service:" + id, TTL: "30s", DeregisterCriticalServiceAfter: "10m"},
	}))
	passing, meta, err := client.Health().Service(name, "", true, nil)
	must(err)
	check(len(passing) == 0, "passes before the first heartbeat")

	// A blocking query ends with the heartbeat.
	go func() {
		time.Sleep(50 * time.Millisecond)
		must(client.Agent().UpdateTTL("service:"+id, "", api.HealthPassing))
	}()
	for end := time.Now().Add(20 * time.Second); len(passing) == 0 && time.Now().Before(end); {
		passing, meta, err = client.Health().Service(name, "v1", true, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 10 * time.Second})
		must(err)
	}
	check(len(passing) == 1, "does not pass after a heartbeat")
	service := passing[0].Service
	check(service.ID == id && service.Port == 9001 && service.Meta["version"] == "1" && service.Weights.Passing == 3 &&
		service.TaggedAddresses["grpc"].Port == 9001, fmt.Sprintf("%+v", service))
	check(passing[0].Checks.AggregatedStatus() == api.HealthPassing, "its checks do not pass")

	services, err := client.Agent().Services()
	must(err)
	check(services[id] != nil && services[id].Service == name, "not among the agent's services")
	one, _, err := client.Agent().Service(id, nil)
	must(err)
	check(one.ID == id && len(one.Tags) == 1, fmt.Sprintf("%+v", one))
	names, _, err := client.Catalog().Services(nil)
	must(err)
	check(names[name] != nil, "not in the catalog")
	leader, err := client.Status().Leader()
	must(err)
	check(leader != "", "nobody leads")
	_, err = client.Agent().Self()
	must(err)
	check(client.Agent().UpdateTTL("service:nobody", "", api.HealthPassing) != nil, "a heartbeat of nobody is taken")
	_, _, err = client.Agent().Service("nobody", nil)
	check(err != nil, "a service that is not there is found")
	_, _, err = client.Health().Service(name, "", true, &api.QueryOptions{Datacenter: "elsewhere"})
	check(err != nil, "another datacenter answers")
}

// there is what the real one answers, so that this program asks as it should.
func there(client *api.Client) {
	status, _, err := client.Agent().AgentHealthServiceByID(id)
	must(err)
	check(status == api.HealthPassing, status)
	pair, _, err := client.KV().Get("nothing", nil)
	must(err)
	check(pair == nil, "a key that is not there")
	some, err := client.Agent().ServicesWithFilter(`Service == "other"`)
	must(err)
	check(len(some) == 0, "the filter finds others")
}

// missing is what the embedded registry does not have.
func missing(client *api.Client) {
	for what, ask := range map[string]func() error{
		"AgentHealthServiceByID":   func() error { _, _, err := client.Agent().AgentHealthServiceByID(id); return err },
		"AgentHealthServiceByName": func() error { _, _, err := client.Agent().AgentHealthServiceByName(name); return err },
		"KV.Get":                   func() error { _, _, err := client.KV().Get("nothing", nil); return err },
		"KV.List":                  func() error { _, _, err := client.KV().List("a", nil); return err },
		"Session.List":             func() error { _, _, err := client.Session().List(nil); return err },
		"Catalog.Service":          func() error { _, _, err := client.Catalog().Service(name, "", nil); return err },
		"Catalog.Nodes":            func() error { _, _, err := client.Catalog().Nodes(nil); return err },
		"Health.Checks":            func() error { _, _, err := client.Health().Checks(name, nil); return err },
		"Health.State":             func() error { _, _, err := client.Health().State(api.HealthAny, nil); return err },
		"Agent.Members":            func() error { _, err := client.Agent().Members(false); return err },
		"Status.Peers":             func() error { _, err := client.Status().Peers(); return err },
		"ServicesWithFilter":       func() error { _, err := client.Agent().ServicesWithFilter(`Service == "other"`); return err },
		"ChecksWithFilter":         func() error { _, err := client.Agent().ChecksWithFilter(`Status == "passing"`); return err },
		"Filter": func() error {
			_, _, err := client.Health().Service(name, "", true, &api.QueryOptions{Filter: `Service.Meta.version == "2"`})
			return err
		},
		"NodeMeta": func() error {
			_, _, err := client.Health().Service(name, "", true, &api.QueryOptions{NodeMeta: map[string]string{"rack": "1"}})
			return err
		},
		"Namespace": func() error {
			_, _, err := client.Health().Service(name, "", true, &api.QueryOptions{Namespace: "team"})
			return err
		},
		"Partition": func() error {
			_, _, err := client.Health().Service(name, "", true, &api.QueryOptions{Partition: "team"})
			return err
		},
	} {
		err := ask()
		check(err != nil, what+" is answered as if it were there")
		var status api.StatusError
		words := errors.As(err, &status) && (status.Code == 400 || status.Code == 501) && strings.Contains(status.Body, "onsul")
		// Of these the library reads whatever comes as JSON, and keeps no words.
		words = words || strings.HasPrefix(what, "AgentHealth")
		check(words || strings.Contains(err.Error(), "onsul"), what+" is refused without words: "+err.Error())
	}
}

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func check(ok bool, otherwise string) {
	if !ok {
		fail(otherwise)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, os.Args[1]+": "+why)
	os.Exit(1)
}
