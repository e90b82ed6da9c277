// A server of grpc-go as others run it: health, and GetUserInfo that answers each call with an empty reply. It ends its connections as its
// flags say, so that clients can be tried against what grpc-go does.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/emptypb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to listen on")
	delay := flag.Duration("delay", 0, "time that a call takes")
	age := flag.Duration("max-connection-age", 0, "MaxConnectionAge; 0 is without end")
	grace := flag.Duration("max-connection-age-grace", 0, "MaxConnectionAgeGrace; 0 is without end")
	idle := flag.Duration("max-connection-idle", 0, "MaxConnectionIdle; 0 is without end")
	flag.Parse()

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	// Whatever is asked decodes as Empty, whose encoding is that of a reply without a user.
	answer := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := decode(&emptypb.Empty{}); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(*delay):
			return &emptypb.Empty{}, nil
		}
	}
	server := grpc.NewServer(grpc.KeepaliveParams(keepalive.ServerParameters{
		MaxConnectionAge: *age, MaxConnectionAgeGrace: *grace, MaxConnectionIdle: *idle,
	}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "api.user_info.UserInfo",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "GetUserInfo", Handler: answer}},
	}, struct{}{})
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}
