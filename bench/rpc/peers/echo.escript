#!/usr/bin/env escript
%% Erlang's distribution, plaintext: a process that echoes, and as many callers as the depth asks.
%% The server answers with the payload's last byte replaced by a mark, which callers check.
%% Callers are ordered by lines "DEPTH WARMUP_MS MEASURED_MS" and answer "TOTAL COUNTED MICROS".
-mode(compile).

main(["server"]) ->
    register(echo, self()),
    io:format("ready~n"),
    serve();
main(["client", Server]) ->
    Node = list_to_atom(Server),
    true = net_kernel:connect_node(Node),
    io:format("ready~n"),
    take_orders({echo, Node}).

serve() ->
    receive
        {From, Ref, <<Head:127/binary, _:8>>} ->
            From ! {Ref, <<Head/binary, 42>>},
            serve()
    end.

take_orders(To) ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            [Depth, WarmUp, Measured] = [list_to_integer(T) || T <- string:lexemes(string:trim(Line), " ")],
            run(To, Depth, WarmUp, Measured),
            take_orders(To)
    end.

run(To, Depth, WarmUp, Measured) ->
    Self = self(),
    Started = erlang:monotonic_time(microsecond),
    From = Started + WarmUp * 1000,
    Until = From + Measured * 1000,
    [spawn_link(fun() -> Self ! {done, loop(To, From, Until, 0, 0)} end) || _ <- lists:seq(1, Depth)],
    Results = [receive {done, Result} -> Result end || _ <- lists:seq(1, Depth)],
    Total = lists:sum([T || {T, _} <- Results]),
    Counted = lists:sum([C || {_, C} <- Results]),
    io:format("~w ~w ~w~n", [Total, Counted, Until - From]).

loop(To, From, Until, Total, Counted) ->
    Ref = make_ref(),
    Head = <<Total:1016>>,
    To ! {self(), Ref, <<Head/binary, 0>>},
    receive
        {Ref, <<Head:127/binary, 42>>} ->
            Now = erlang:monotonic_time(microsecond),
            if
                Now >= Until -> {Total, Counted};
                Now >= From -> loop(To, From, Until, Total + 1, Counted + 1);
                true -> loop(To, From, Until, Total + 1, Counted)
            end
    after 5000 -> exit(no_answer)
    end.
