"""Calls the service with grpcio: what a caller in Python sees. Usage: calls.py HOST:PORT"""
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

CALLS = 500


def refused(call, code):
    """The error of a call that has to end with `code`."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} instead of {code}: {error.details()}"
        return error
    raise AssertionError(f"answered instead of {code}")


def main(address):
    with grpc.insecure_channel(address) as channel:
        reflection = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(reflection)
        service = pool.FindServiceByName("api.user_info.UserInfo")
        assert "google.rpc.ErrorInfo" in reflection.FindFileContainingSymbol("google.rpc.ErrorInfo").package + ".ErrorInfo"
        method = service.methods_by_name["GetUserInfo"]
        ask, reply = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
        path = "/api.user_info.UserInfo/GetUserInfo"
        get = channel.unary_unary(path, ask.SerializeToString, reply.FromString)

        user = json_format.MessageToDict(get(ask(userID=1), timeout=10))["user"]
        assert user["userID"] == "1" and user["name"], user
        futures = [get.future(ask(userID=1 + number % 10), timeout=30) for number in range(CALLS)]
        assert all(future.result().user.userID == 1 + number % 10 for number, future in enumerate(futures))

        missing = refused(lambda: get(ask(userID=99), timeout=10), grpc.StatusCode.NOT_FOUND)
        info = error_details_pb2.ErrorInfo()
        assert rpc_status.from_call(missing).details[0].Unpack(info) and info.reason == "USER_NOT_FOUND", missing
        refused(lambda: channel.unary_unary("/api.user_info.UserInfo/Nothing")(b"", timeout=10), grpc.StatusCode.UNIMPLEMENTED)
        broken = channel.unary_unary(path)
        refused(lambda: broken(b"\xff\xff\xff", timeout=10), grpc.StatusCode.INTERNAL)
        refused(lambda: get(ask(userID=1), timeout=-1), grpc.StatusCode.DEADLINE_EXCEEDED)

        health = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=10).status == serving
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(watch).status == serving
        watch.cancel()
        refused(lambda: health.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=10), grpc.StatusCode.NOT_FOUND)
    print(f"reflection, {CALLS} calls at once, errors with ErrorInfo, deadlines, health")


main(sys.argv[1])
