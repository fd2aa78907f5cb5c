Console.WriteLine("drconsole");
