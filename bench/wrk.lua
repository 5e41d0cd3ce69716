-- Paths at random from a file where one is named, and the result as one line of JSON.
local file = os.getenv("BENCH_PATHS") or ""
local requests = {}

function init()
  if file == "" then return end
  math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 100000)
  for path in io.lines(file) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  request = function() return requests[math.random(#requests)] end
end

function done(summary)
  local e = summary.errors
  io.write(string.format('BENCH {"requests":%d,"bytes":%d,"microseconds":%d,"errors":%d}\n', summary.requests,
    summary.bytes, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
